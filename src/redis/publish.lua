-- What Fanfare does inside Redis. Loaded as a function library and, where functions are missing or forbidden, sent as a
-- script: the same body either way (library.rs adds the first and last lines).
--
-- Head of a partition (hash): e epoch, b its first millisecond, m and s last id, f lineage of the last writer,
-- T timeline "lineage@first id,…". Head of a topic (hash): e epoch, l last id, c bytes ever stored, t bytes ever trimmed
-- (a lower bound), x second of the last trimming by age. Stream entry: p id before it in the topic, c bytes ever stored
-- before it, e envelope.

local LINEAGE_UNIT = 1048576
local TIMELINE_MAX = 32
local GROUP = 'fanfare'
local FIRST = '0-0'

-- Which Redis process this is: changes with every restart and every promotion. Kept for a second in a library; a script
-- starts with an empty cache each time.
local lineage_known, lineage_at

local function lineage(second)
  if lineage_known and lineage_at == second then return lineage_known end
  local run = redis.call('INFO', 'server'):match('run_id:(%x+)')
  local replication = redis.call('INFO', 'replication'):match('master_replid:(%x+)')
  lineage_known = tonumber(redis.sha1hex((run or '') .. (replication or '')):sub(1, 8), 16)
  lineage_at = second
  return lineage_known
end

local function number_text(number)
  return string.format('%.0f', number)
end

local function id_text(ms, seq)
  return string.format('%.0f-%.0f', ms, seq)
end

-- The id after the last one: its time never goes back, and a change of lineage within one millisecond may not either.
local function next_id(now, own, last_ms, last_seq, last_lineage)
  local first = own * LINEAGE_UNIT
  if now > last_ms then return now, first end
  if last_lineage == own then
    if last_seq + 1 < first + LINEAGE_UNIT then return last_ms, last_seq + 1 end
    return last_ms + 1, first
  end
  if first > last_seq then return last_ms, first end
  return last_ms + 1, first
end

local function timeline(head, own, id)
  local entries = {}
  for entry in (redis.call('HGET', head, 'T') or ''):gmatch('[^,]+') do entries[#entries + 1] = entry end
  entries[#entries + 1] = string.format('%.0f@%s', own, id)
  local from = math.max(1, #entries - TIMELINE_MAX + 1)
  return table.concat(entries, ',', from)
end

-- A topic without a head of this epoch. Its stream is either of this epoch (only the head went), and the chain goes on
-- from its end, or a leftover, which goes. With neither, whatever the topic held is at least `idle_ms` old.
local function headless(stream, head, ms, idle_ms)
  local born = tonumber(redis.call('HGET', head, 'b') or '0')
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if last and tonumber(last[1]:match('^%d+')) >= born then
    return last[1], tonumber(last[2][4]) + #last[2][6], 0
  end
  redis.call('DEL', stream)
  if ms - idle_ms > born then return id_text(ms - idle_ms, 0), 0, 0 end
  return FIRST, 0, 0
end

-- Drops the oldest entries until the rest has at most `bytes_max`; the newest always stays. Returns the bytes before
-- the oldest one left.
local function trim_bytes(stream, total, bytes_max)
  local from, before = '-', 0
  while true do
    local batch = redis.call('XRANGE', stream, from, '+', 'COUNT', 4)
    for _, entry in ipairs(batch) do
      before = tonumber(entry[2][4])
      if total - before <= bytes_max or total - before == #entry[2][6] then
        redis.call('XTRIM', stream, 'MINID', '=', entry[1])
        return before
      end
      from = '(' .. entry[1]
    end
    if #batch == 0 then return before end
  end
end

-- Settled entries go, so that an inbox never grows and a group made anew never publishes them again.
local function settle(inbox, inbox_id)
  redis.call('XACK', inbox, GROUP, inbox_id)
  redis.call('XDEL', inbox, inbox_id)
end

-- The answer to a publish that must not be stored: its inbox entry is settled, another node leads, or its key was used.
local function answered(keys, args)
  local fence, digest, inbox_id = args[7], args[8], args[10]
  if inbox_id ~= '' then
    -- An error means that the inbox or its group is gone, and the entry with it.
    local pending = redis.pcall('XPENDING', keys[4], GROUP, inbox_id, inbox_id, 1)
    if pending.err or #pending == 0 then return { 'settled' } end
  end
  if fence ~= '' and redis.call('GET', keys[2]) ~= fence then return { 'fenced' } end
  local stored = digest ~= '' and redis.call('GET', keys[3])
  if not stored then return nil end
  local epoch, id, before = stored:match('^(%S+) (%S+) (.*)$')
  if before ~= digest then return { 'conflict' } end
  if inbox_id ~= '' then settle(keys[4], inbox_id) end
  -- WAIT counts from the last write of its own connection, so there has to be one.
  if args[11] == '1' then redis.call('PEXPIRE', keys[3], args[9]) end
  return { 'duplicate', epoch, id }
end

-- Moves the head of the partition on: epoch, the new id (text, milliseconds) and the one before it.
local function advance(head, nonce)
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local own = lineage(time[1])
  local known = redis.call('HMGET', head, 'e', 'm', 's', 'f')
  local epoch = known[1]
  local last_ms, last_seq, last_lineage = tonumber(known[2] or '0'), tonumber(known[3] or '0'), tonumber(known[4] or '-1')
  local ms, seq = next_id(now, own, last_ms, last_seq, last_lineage)
  local id = id_text(ms, seq)
  if not epoch then
    epoch = redis.sha1hex(nonce .. head .. time[1] .. '.' .. time[2]):sub(1, 12)
    redis.call('DEL', head)
    redis.call('HSET', head, 'e', epoch, 'b', number_text(ms), 'T', timeline(head, own, id))
  elseif last_lineage ~= own then
    redis.call('HSET', head, 'T', timeline(head, own, id))
  end
  redis.call('HSET', head, 'm', number_text(ms), 's', number_text(seq), 'f', number_text(own))
  return epoch, id, ms, id_text(last_ms, last_seq)
end

-- Appends to one topic, within its limits. Answers the id before it there.
local function append(stream, topic, at, limits, envelope)
  local state = redis.call('HMGET', topic, 'e', 'l', 'c', 't', 'x')
  local prev, stored, trimmed = state[2], tonumber(state[3] or '0'), tonumber(state[4] or '0')
  local second = number_text(math.floor(at.ms / 1000))
  local idle_ms = 4 * limits.age_ms + 60000
  local tended = state[1] == at.epoch and state[5] == second
  if state[1] and state[1] ~= at.epoch then
    redis.call('DEL', stream)
    prev, stored, trimmed = FIRST, 0, 0
  elseif not state[1] then
    prev, stored, trimmed = headless(stream, at.head, at.ms, idle_ms)
  end
  local entry = { 'XADD', stream, 'MAXLEN', '=', limits.entries, at.id, 'p', prev, 'c', number_text(stored), 'e', envelope }
  local added = redis.pcall(unpack(entry))
  if type(added) == 'table' and added.err then
    -- The stream has ids from a clock that was ahead. What it held is lost, so everybody who has not seen the whole
    -- partition has a gap here.
    redis.call('DEL', stream)
    tended, prev = false, at.last
    entry[8] = prev
    redis.call(unpack(entry))
  end
  stored = stored + #envelope
  if stored - trimmed > limits.bytes then trimmed = trim_bytes(stream, stored, limits.bytes) end
  redis.call('HSET', topic, 'e', at.epoch, 'l', at.id, 'c', number_text(stored), 't', number_text(trimmed), 'x', second)
  -- Age is a matter of minutes: once a second is enough.
  if not tended then
    redis.call('XTRIM', stream, 'MINID', '=', id_text(math.max(0, at.ms - limits.age_ms), 0))
    redis.call('PEXPIRE', stream, limits.age_ms + 60000)
    redis.call('PEXPIRE', topic, idle_ms)
  end
  return prev
end

-- KEYS: head, fence, idempotency, inbox, then stream and head of each topic.
-- ARGV: envelope, PUBLISH or SPUBLISH, nonce, entries, bytes, age in ms, fence or '', '=' and digest or '', its lifetime
-- in ms, inbox id or '', '1' if a duplicate must be followed by a WAIT, then name and channel of each topic.
local function publish(keys, args)
  local answer = answered(keys, args)
  if answer then return answer end
  local envelope, announce, digest, inbox_id = args[1], args[2], args[8], args[10]
  local limits = { entries = args[4], bytes = tonumber(args[5]), age_ms = tonumber(args[6]) }
  local epoch, id, ms, last = advance(keys[1], args[3])
  local at = { head = keys[1], epoch = epoch, id = id, ms = ms, last = last }
  local topics = {}
  for i = 5, #keys, 2 do
    local prev = append(keys[i], keys[i + 1], at, limits, envelope)
    topics[#topics + 1] = args[i + 7] .. '=' .. prev
  end
  local announcement = 'F1 ' .. epoch .. ' ' .. id .. ' ' .. table.concat(topics, ',') .. '\n' .. envelope
  for i = 13, #args, 2 do redis.call(announce, args[i], announcement) end
  if digest ~= '' then redis.call('SET', keys[3], epoch .. ' ' .. id .. ' ' .. digest, 'PX', args[9]) end
  if inbox_id ~= '' then settle(keys[4], inbox_id) end
  return { 'stored', epoch, id }
end

-- KEYS: lease, fence. ARGV: node, lease in ms. Answers the fence, or nothing if another node leads. A fence is at least
-- the time, so that it grows even when Redis came back empty.
local function lead(keys, args)
  local holder = redis.call('GET', keys[1])
  local fence = redis.call('GET', keys[2])
  if holder and holder ~= args[1] then return false end
  if holder and fence then
    redis.call('PEXPIRE', keys[1], args[2])
    return fence
  end
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  fence = number_text(math.max(now, tonumber(fence or '0') + 1))
  redis.call('SET', keys[2], fence)
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return fence
end

-- KEYS: lease, fence. ARGV: node, fence.
local function resign(keys, args)
  if redis.call('GET', keys[1]) == args[1] and redis.call('GET', keys[2]) == args[2] then redis.call('DEL', keys[1]) end
  return 1
end

-- KEYS: any key of the slot. ARGV: PUBLISH or SPUBLISH, channel, message. The canary's way, the same as a publish's.
local function probe(keys, args)
  redis.call(args[1], args[2], args[3])
  return 1
end
