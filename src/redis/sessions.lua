-- The records of sessions. A record is a hash: s socket, u subject, n node, g generation, b since when the socket is in its
-- namespace, and r<room> for each room, "<by> <since>". Whoever comes with an older generation than the record's is refused.

-- One change to one record; `args` from `at` on: generation, lifetime in ms (0 forgets it), '1' if it is the whole record,
-- then how many words of fields and values and how many names of fields to drop, then those. Answers what became of it, and
-- where the next change starts.
local function save_one(key, args, at)
  local generation, lifetime_ms, whole = tonumber(args[at]), args[at + 1], args[at + 2] == '1'
  local sets, drops = tonumber(args[at + 3]), tonumber(args[at + 4])
  local first, next_at = at + 5, at + 5 + sets + drops
  local held = tonumber(redis.call('HGET', key, 'g') or '-1')
  if held > generation then return 'fenced', next_at end
  if lifetime_ms == '0' then
    redis.call('DEL', key)
    return 'done', next_at
  end
  if held < 0 and not whole then return 'missing', next_at end
  if whole then redis.call('DEL', key) end
  for i = first, first + sets - 1, 2 do redis.call('HSET', key, args[i], args[i + 1]) end
  for i = first + sets, next_at - 1 do redis.call('HDEL', key, args[i]) end
  redis.call('PEXPIRE', key, lifetime_ms)
  return 'done', next_at
end

-- KEYS: a record for each change. ARGV: the changes, one after the other.
local function save(keys, args)
  local answers, at = {}, 1
  for i, key in ipairs(keys) do answers[i], at = save_one(key, args, at) end
  return answers
end

-- KEYS: the record. ARGV: subject, node, lifetime in ms. Answers the new generation and the record as it was; nothing if
-- there is none, and an empty list if it is somebody else's.
local function claim(keys, args)
  local record = redis.call('HGETALL', keys[1])
  if #record == 0 then return false end
  if redis.call('HGET', keys[1], 'u') ~= args[1] then return {} end
  local generation = redis.call('HINCRBY', keys[1], 'g', 1)
  redis.call('HSET', keys[1], 'n', args[2])
  redis.call('PEXPIRE', keys[1], args[3])
  return { tostring(generation), record }
end
