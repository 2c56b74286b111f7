-- What Fanfare does inside Redis. Loaded as a function library and, where functions are missing or forbidden, sent as a
-- script: the same body either way (library.rs adds the first and last lines).
--
-- Head of a partition (hash): l "epoch id" of the last publication, b first millisecond of the epoch, T timeline
-- "lineage@last id before it,…". Head of a topic (string): "epoch second id stored trimmed": when and as what it was last written,
-- bytes ever stored and, as a lower bound, ever trimmed. Stream entry: p "id stored" before it in the topic, e envelope.
-- Written topics (sorted set): the second in which each was last written; '' is the second from which on none is missing.
--
-- A call of Redis costs up to a microsecond here and a number made text a quarter, so the common case makes few of either:
-- what is wanted once a second is done by the first publish of that second, and texts are kept from call to call.

local LINEAGE_UNIT = 1048576
local TIMELINE_MAX = 32
local GROUP = 'fanfare'
local FIRST = '0-0'
-- How often a topic's old entries and its expiry are seen to, and for how long written topics are remembered, in seconds.
local TEND_S = 10
local WRITTEN_S = 15

-- Kept between the calls of a library; a script starts with nothing each time.
local lineage_known, lineage_at
local settings_known, settings_number = {}, 0
-- The publication under way: head, text (as the head has it), epoch, id, ms, seq, last_ms, last_seq, second, second_text, and
-- mark, with which the head of a topic begins that was written in the same second.
local at = {}

-- Which Redis process this is: changes with every restart and every promotion. Kept for a second.
local function lineage(second)
  if lineage_known and lineage_at == second then return lineage_known end
  local run = redis.call('INFO', 'server'):match('run_id:(%x+)')
  local replication = redis.call('INFO', 'replication'):match('master_replid:(%x+)')
  lineage_known = tonumber(redis.sha1hex((run or '') .. (replication or '')):sub(1, 8), 16)
  lineage_at = second
  return lineage_known
end

-- What a node is set to: PUBLISH or SPUBLISH, entries, bytes, age in ms, nonce.
local function settings_of(text)
  local settings = settings_known[text]
  if settings then return settings end
  local announce, entries, bytes, age, nonce = text:match('^(%u+) (%d+) (%d+) (%d+) (.*)$')
  settings = { announce = announce, entries = entries, bytes = tonumber(bytes), age_ms = tonumber(age), nonce = nonce }
  if settings_number >= 64 then settings_known, settings_number = {}, 0 end
  settings_known[text], settings_number = settings, settings_number + 1
  return settings
end

local function number_text(number)
  return string.format('%d', number)
end

local function id_text(ms, seq)
  return string.format('%d-%d', ms, seq)
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

-- What a lineage wrote lies after the id it found and up to the one that its successor found. Its own first id would not
-- do: a successor that lacks the tail writes later ones.
local function timeline(head, own, found)
  local entries = {}
  for entry in (redis.call('HGET', head, 'T') or ''):gmatch('[^,]+') do entries[#entries + 1] = entry end
  entries[#entries + 1] = string.format('%d@%s', own, found)
  local from = math.max(1, #entries - TIMELINE_MAX + 1)
  return table.concat(entries, ',', from)
end

-- The first publication of a second. What it forgets is older than whoever asks every second would ask for, and nothing was
-- written since the last one, however long ago that was.
local function forget_written(written, second, last_second, idle_ms)
  local whole_from = tonumber(redis.call('ZSCORE', written, '') or '')
  local from = math.min(second - WRITTEN_S, last_second)
  if not whole_from then
    redis.call('ZADD', written, second, '')
  elseif whole_from < from then
    redis.call('ZREMRANGEBYSCORE', written, '-inf', '(' .. from)
    redis.call('ZADD', written, from, '')
  end
  redis.call('PEXPIRE', written, idle_ms)
end

-- Moves the head of the partition on, to what is then found in `at`.
local function advance(head, written, settings)
  local time = redis.call('TIME')
  local micros = tonumber(time[2])
  local now = time[1] * 1000 + (micros - micros % 1000) / 1000
  local own = lineage(time[1])
  local text = redis.call('HGET', head, 'l')
  local epoch, last_ms, last_seq = at.epoch, at.ms, at.seq
  if not text then
    epoch, last_ms, last_seq = nil, 0, 0
  elseif text ~= at.text or head ~= at.head then
    local ms, seq
    epoch, ms, seq = text:match('^(%w+) (%d+)-(%d+)$')
    last_ms, last_seq, at.second = tonumber(ms), tonumber(seq), nil
  end
  -- Set again at the end: an error on the way must not leave a half truth behind.
  at.text = nil
  local last_lineage = text and (last_seq - last_seq % LINEAGE_UNIT) / LINEAGE_UNIT
  local ms, seq = next_id(now, own, last_ms, last_seq, last_lineage)
  local id = id_text(ms, seq)
  if not epoch then
    epoch = redis.sha1hex(settings.nonce .. head .. time[1] .. '.' .. time[2]):sub(1, 12)
    redis.call('DEL', head, written)
    redis.call('HSET', head, 'b', number_text(ms), 'T', timeline(head, own, FIRST))
    at.second = nil
  elseif last_lineage ~= own then
    redis.call('HSET', head, 'T', timeline(head, own, id_text(last_ms, last_seq)))
  end
  local second = (ms - ms % 1000) / 1000
  if second ~= at.second then
    at.second, at.second_text = second, number_text(second)
    at.mark = epoch .. ' ' .. at.second_text .. ' '
    local last_second = (last_ms - last_ms % 1000) / 1000
    if second ~= last_second then forget_written(written, second, last_second, 4 * settings.age_ms + 60000) end
  end
  text = epoch .. ' ' .. id
  redis.call('HSET', head, 'l', text)
  at.head, at.epoch, at.id, at.ms, at.seq, at.last_ms, at.last_seq = head, epoch, id, ms, seq, last_ms, last_seq
  at.text = text
end

-- A topic without a head of this epoch. Its stream is either of this epoch (only the head went), and the chain goes on
-- from its end, or a leftover, which goes. With neither, whatever the topic held is at least `idle_ms` old.
local function headless(stream, idle_ms)
  local born = tonumber(redis.call('HGET', at.head, 'b') or '0')
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if last and tonumber(last[1]:match('^%d+')) >= born then
    return last[1], tonumber(last[2][2]:match('%d+$')) + #last[2][4], 0
  end
  redis.call('DEL', stream)
  if at.ms - idle_ms > born then return id_text(at.ms - idle_ms, 0), 0, 0 end
  return FIRST, 0, 0
end

-- Drops the oldest entries until the rest has at most `bytes_max`; the newest always stays. Returns the bytes before
-- the oldest one left.
local function trim_bytes(stream, total, bytes_max)
  local from, before = '-', 0
  while true do
    local batch = redis.call('XRANGE', stream, from, '+', 'COUNT', 4)
    for _, entry in ipairs(batch) do
      before = tonumber(entry[2][2]:match('%d+$'))
      if total - before <= bytes_max or total - before == #entry[2][4] then
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
local function answered(fence_key, once_key, inbox, fence, digest, lifetime_ms, inbox_id, must_write)
  if inbox_id ~= '' then
    -- An error means that the inbox or its group is gone, and the entry with it.
    local pending = redis.pcall('XPENDING', inbox, GROUP, inbox_id, inbox_id, 1)
    if pending.err or #pending == 0 then return { 'settled' } end
  end
  if fence ~= '' and redis.call('GET', fence_key) ~= fence then return { 'fenced' } end
  local stored = digest ~= '' and redis.call('GET', once_key)
  if not stored then return nil end
  local epoch, id, before = stored:match('^(%S+) (%S+) (.*)$')
  if before ~= digest then return { 'conflict' } end
  if inbox_id ~= '' then settle(inbox, inbox_id) end
  -- WAIT counts from the last write of its own connection, so there has to be one.
  if must_write == '1' then redis.call('PEXPIRE', once_key, lifetime_ms) end
  return { 'duplicate', epoch, id }
end

-- The first publication of a second in a topic: answers the id before it, the bytes stored and trimmed, and whether the
-- topic is to be tended.
local function resume_topic(stream, state, idle_ms)
  local epoch, second, prev, stored, trimmed = (state or ''):match('^(%w+) (%d+) (%S+) (%d+) (%d+)$')
  if epoch == at.epoch then
    return prev, tonumber(stored), tonumber(trimmed), at.second - at.second % TEND_S ~= second - second % TEND_S
  elseif epoch then
    redis.call('DEL', stream)
    return FIRST, 0, 0, true
  end
  prev, stored, trimmed = headless(stream, idle_ms)
  return prev, stored, trimmed, true
end

-- The stream has ids from a clock that was ahead. What it held is lost, so everybody who has not seen the whole partition
-- has a gap here. Answers the id before the publication.
local function begin_again(stream, settings, stored, envelope)
  local prev = id_text(at.last_ms, at.last_seq)
  redis.call('DEL', stream)
  redis.call('XADD', stream, 'MAXLEN', settings.entries, at.id, 'p', prev .. ' ' .. stored, 'e', envelope)
  return prev
end

-- Appends to one topic, within its limits. Answers the id before it there.
local function append(stream, topic, name, written, settings, envelope)
  local state = redis.call('GET', topic)
  local mark = at.mark
  local prev, stored, trimmed, tend, before
  if state and state:find(mark, 1, true) == 1 then
    local id_end = state:find(' ', #mark + 1, true)
    local stored_end = state:find(' ', id_end + 1, true)
    prev, before = state:sub(#mark + 1, id_end - 1), state:sub(#mark + 1, stored_end - 1)
    stored, trimmed = state:sub(id_end + 1, stored_end - 1) + #envelope, state:sub(stored_end + 1)
  else
    prev, stored, trimmed, tend = resume_topic(stream, state, 4 * settings.age_ms + 60000)
    before = prev .. ' ' .. stored
    redis.call('ZADD', written, at.second_text, name)
    stored = stored + #envelope
  end
  local added = redis.pcall('XADD', stream, 'MAXLEN', settings.entries, at.id, 'p', before, 'e', envelope)
  if type(added) == 'table' and added.err then
    tend, prev = true, begin_again(stream, settings, stored - #envelope, envelope)
  end
  if stored - trimmed > settings.bytes then trimmed = trim_bytes(stream, stored, settings.bytes) end
  local next_state = mark .. at.id .. ' ' .. number_text(stored) .. ' ' .. trimmed
  if tend then
    redis.call('XTRIM', stream, 'MINID', '=', id_text(math.max(0, at.ms - settings.age_ms), 0))
    redis.call('PEXPIRE', stream, settings.age_ms + 60000)
    -- Longer than `headless` takes for granted, since the last publication before the end may not have tended.
    redis.call('SET', topic, next_state, 'PX', 4 * settings.age_ms + 120000)
  elseif #next_state >= #state then
    -- In place, and the expiry stays.
    redis.call('SETRANGE', topic, '0', next_state)
  else
    redis.call('SET', topic, next_state, 'KEEPTTL')
  end
  return prev
end

-- KEYS: head, written topics, then, if there are guards, fence, idempotency and inbox, then stream and head of each topic.
-- ARGV: envelope, settings, '' or '1' for guards, then, if there are, fence or '', '=' and digest or '', its lifetime in ms,
-- inbox id or '', '1' if a duplicate must be followed by a WAIT, then name and channel of each topic.
local function publish(keys, args)
  local guarded, key, arg = args[3] ~= '', 3, 4
  if guarded then
    local answer = answered(keys[3], keys[4], keys[5], args[4], args[5], args[6], args[7], args[8])
    if answer then return answer end
    key, arg = 6, 9
  end
  local envelope, settings, written = args[1], settings_of(args[2]), keys[2]
  advance(keys[1], written, settings)
  local topics = args[arg] .. '=' .. append(keys[key], keys[key + 1], args[arg], written, settings, envelope)
  for i = key + 2, #keys, 2 do
    local name = args[arg + i - key]
    topics = topics .. ',' .. name .. '=' .. append(keys[i], keys[i + 1], name, written, settings, envelope)
  end
  local announcement = 'F1 ' .. at.text .. ' ' .. topics .. '\n' .. envelope
  for i = arg + 1, #args, 2 do redis.call(settings.announce, args[i], announcement) end
  if guarded then
    if args[5] ~= '' then redis.call('SET', keys[4], at.text .. ' ' .. args[5], 'PX', args[6]) end
    if args[7] ~= '' then settle(keys[5], args[7]) end
  end
  return { 'stored', at.epoch, at.id }
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
