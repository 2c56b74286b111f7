-- The registry of nodes, loaded like publish.lua and beside it.
--
-- Lease of a node (text, expires): "incarnation entered address". Members (sorted set): "node incarnation", by the end of the
-- lease; who is past it is dead, and stays a member until everything it left is gone.

local function clock_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Whether this incarnation holds the lease. Whatever writes in a node's name asks this first.
local function holds(lease, incarnation)
  local held = redis.call('GET', lease)
  return held and held:match('^%d+') == incarnation
end

-- KEYS: lease, members, last incarnation. ARGV: node, lease in ms, address, the node's last incarnation. Answers incarnation
-- and time. An incarnation is at least the time, so that it grows even when Redis came back empty.
local function node_enter(keys, args)
  local now = clock_ms()
  local last = math.max(tonumber(redis.call('GET', keys[3]) or '0') or 0, tonumber(args[4]))
  local incarnation = string.format('%.0f', math.max(now, last + 1))
  local entered = string.format('%.0f', now)
  redis.call('SET', keys[3], incarnation)
  redis.call('SET', keys[1], incarnation .. ' ' .. entered .. ' ' .. args[3], 'PX', args[2])
  redis.call('ZADD', keys[2], string.format('%.0f', now + args[2]), args[1] .. ' ' .. incarnation)
  return { incarnation, entered }
end

-- KEYS: lease, members. ARGV: node, lease in ms, incarnation. Answers incarnation and time, or nothing: the lease has ended.
local function node_renew(keys, args)
  if not holds(keys[1], args[3]) then return false end
  local now = clock_ms()
  redis.call('PEXPIRE', keys[1], args[2])
  redis.call('ZADD', keys[2], string.format('%.0f', now + args[2]), args[1] .. ' ' .. args[3])
  return { args[3], string.format('%.0f', now) }
end

-- KEYS: lease, members. ARGV: node, incarnation.
local function node_leave(keys, args)
  if holds(keys[1], args[2]) then redis.call('DEL', keys[1]) end
  redis.call('ZREM', keys[2], args[1] .. ' ' .. args[2])
  return 1
end

-- KEYS: sweeper, members. ARGV: node, lease in ms. Answers dead members, if this node sweeps; nothing while another one does.
local function node_dead(keys, args)
  local sweeper = redis.call('GET', keys[1])
  if sweeper and sweeper ~= args[1] then return {} end
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return redis.call('ZRANGE', keys[2], '-inf', string.format('%.0f', clock_ms()), 'BYSCORE', 'LIMIT', 0, 100)
end
