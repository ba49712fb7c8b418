-- Appends a message, trims the history, tells all nodes. ARGV: 3 node, 4 number of the publish, 5 most messages, 6 most bytes, 7 greatest age in ms,
-- 8 channel, 9 topic, 10 the entry's head (17 bytes), 11 payload, 12 idempotency key or nothing, 13 most keys, 14 their greatest age in ms.
-- Answers epoch, offset, time in ms, and 1 if it was appended now.
local number = tonumber(ARGV[4])
local last = redis.call('HGET', KEYS[1], 'node:' .. ARGV[3])
local lastNumber, lastOffset = string.match(last or '0 0', '(%d+) (%d+)')
if tonumber(lastNumber) >= number then
  -- A repeat after a broken connection: the node's publishes come in order, so this one is here already.
  local found = tonumber(lastOffset)
  if tonumber(lastNumber) ~= number then
    local length = redis.call('LLEN', KEYS[2])
    found = offset - length
    local tag = string.sub(ARGV[10], 2, 17)
    for i = length - 1, 0, -1 do
      local entry = redis.call('LINDEX', KEYS[2], i)
      if string.sub(entry, 2, 17) == tag then found = offset - length + 1 + i break end
    end
  end
  return { epoch, text(found), text(now), 0 }
end

local key = ARGV[12]
if key ~= '' then
  local oldest = redis.call('LINDEX', KEYS[4], 0)
  while oldest and now - tonumber(string.sub(oldest, 1, 13)) > tonumber(ARGV[14]) do
    redis.call('HDEL', KEYS[3], string.sub(oldest, 14))
    redis.call('LPOP', KEYS[4])
    oldest = redis.call('LINDEX', KEYS[4], 0)
  end
  local known = redis.call('HGET', KEYS[3], key)
  if known then return { epoch, known, text(now), 0 } end
end

offset = offset + 1
local stamp = string.format('%013.0f', now)
local entry = ARGV[10] .. stamp .. ARGV[11]
local length = redis.call('RPUSH', KEYS[2], entry)
bytes = bytes + #ARGV[11]
if length == 1 then
  bytes = #ARGV[11]
  redis.call('PEXPIRE', KEYS[2], text(idle + idle / 4))
end
while length > 0 do
  if length <= tonumber(ARGV[5]) and bytes <= tonumber(ARGV[6]) then
    local oldest = redis.call('LINDEX', KEYS[2], 0)
    if now - tonumber(string.sub(oldest, 18, 30)) <= tonumber(ARGV[7]) then break end
  end
  bytes = bytes - #redis.call('LPOP', KEYS[2]) + 30
  length = length - 1
end
if not last and redis.call('HLEN', KEYS[1]) > 256 then
  -- Nodes come and go with each deploy; what they published is not repeated after that.
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(field, 1, 5) == 'node:' then redis.call('HDEL', KEYS[1], field) end
  end
end
redis.call('HSET', KEYS[1], 'offset', text(offset), 'bytes', text(bytes), 'age', ARGV[7], 'node:' .. ARGV[3], ARGV[4] .. ' ' .. text(offset))
if key ~= '' then
  redis.call('HSET', KEYS[3], key, text(offset))
  if redis.call('RPUSH', KEYS[4], stamp .. key) > tonumber(ARGV[13]) then
    redis.call('HDEL', KEYS[3], string.sub(redis.call('LPOP', KEYS[4]), 14))
  end
  redis.call('PEXPIRE', KEYS[3], text(idle + idle / 4))
  redis.call('PEXPIRE', KEYS[4], text(idle + idle / 4))
end
redis.call('PUBLISH', ARGV[8], epoch .. ' ' .. text(offset) .. ' ' .. #ARGV[9] .. ' ' .. ARGV[9] .. entry)
return { epoch, text(offset), text(now), 1 }
