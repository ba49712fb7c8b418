-- Renews a node's lease, takes out those whose lease is over, and tells who lives. KEYS: 1 the registry (hash), of a field for each node: "=NAME" is
-- "EXPIRY INCARNATION RECORD". ARGV: 1 the node's field, 2 its incarnation, 3 its record, or nothing to leave, 4 the lease in ms.
-- Answers 1 if the name is this node's and 0 if another has it, 1 if it was not there before, then fields and values of all.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local lease = tonumber(ARGV[4])
local seen = tonumber(redis.call('HGET', KEYS[1], 'seen') or '0')

-- A server that is full refuses what may take memory, but only as a script's first write. The nodes live all the same.
redis.call('PEXPIRE', KEYS[1], 86400000)
redis.call('HSET', KEYS[1], 'seen', string.format('%.0f', now))

-- If nobody has renewed anything for a lease it is this server that was away, and not all the nodes.
local wasAway = now - seen > lease
local live, mine = {}, nil
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local field, value = all[i], all[i + 1]
  if string.sub(field, 1, 1) == '=' then
    local expiry, rest = string.match(value, '^(%d+) (.*)$')
    if expiry and wasAway and tonumber(expiry) < now + lease then
      value = string.format('%.0f', now + lease) .. ' ' .. rest
      redis.call('HSET', KEYS[1], field, value)
    end
    if not expiry or (not wasAway and tonumber(expiry) < now) then
      -- What is no entry is nobody's, and must not keep the nodes from theirs.
      redis.call('HDEL', KEYS[1], field)
    elseif field == ARGV[1] then
      mine = value
    else
      live[#live + 1] = field
      live[#live + 1] = value
    end
  end
end

local holder = mine and string.match(mine, '^%d+ (%S+)')
local ours, fresh = 1, 0
if holder and holder ~= ARGV[2] then
  ours = 0
elseif ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  mine = nil
else
  if not mine then fresh = 1 end
  mine = string.format('%.0f', now + lease) .. ' ' .. ARGV[2] .. ' ' .. ARGV[3]
  redis.call('HSET', KEYS[1], ARGV[1], mine)
end
if mine then
  live[#live + 1] = ARGV[1]
  live[#live + 1] = mine
end
redis.call('PEXPIRE', KEYS[1], 86400000)
return { ours, fresh, live }
