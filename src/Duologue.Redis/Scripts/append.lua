-- Appends a message, trims the history, tells all nodes. ARGV: 3 the entry's head (17 bytes), 4 number of the publish, 5 the number of the publish that was under way before
-- this one, or 0, 6 most messages, 7 most bytes, 8 greatest age in ms, 9 payload; with an idempotency key: 10 the key, 11 most keys, 12 their greatest age in ms.
-- Answers what became of it, epoch, offset and time in ms. 1: it was appended now; 0: it is a repeat; 2: it is a repeat whose offset nothing here tells any more;
-- 3: it has to come again behind the one before.
local function answer(what, at) return what .. ' ' .. epoch .. ' ' .. at .. ' ' .. text(now) end
local number, key = tonumber(ARGV[4]), ARGV[10]
local lastNumber, lastOffset = string.match(head[7] or '0 0', '(%d+) (%d+)')
lastNumber = tonumber(lastNumber)
if lastNumber >= number then
  -- A repeat after a broken connection: the node's publishes come in order, so this one is here already.
  if lastNumber == number then return answer('0', lastOffset) end
  local tag, length = string.sub(ARGV[3], 2, 17), redis.call('LLEN', KEYS[2])
  local to = length - 1
  while to >= 0 do
    local from = math.max(to - 31, 0)
    local piece = redis.call('LRANGE', KEYS[2], from, to)
    for i = #piece, 1, -1 do
      if string.sub(piece[i], 2, 17) == tag then return answer('0', text(offset - length + from + i)) end
    end
    to = from - 1
  end
  local known = key and head[6] and redis.call('HGET', KEYS[3], key)
  if known then return answer('0', known) end
  return answer('2', '0')
end
if lastNumber < tonumber(ARGV[5]) then
  -- The one before was refused (a script not loaded yet, a server not ready): taken now, this one would make its repeat look like one that is here.
  return answer('3', '0')
end
if not head[7] and redis.call('HLEN', KEYS[1]) > 64 then
  -- Nodes come and go with each deploy. No publish is repeated after two hours: that is twice the greatest PublishTimeout.
  local fields = redis.call('HGETALL', KEYS[1])
  for i = 1, #fields, 2 do
    local seen = string.byte(fields[i]) == 110 and #fields[i] == 9 and string.match(fields[i + 1], '%d+ %d+ (%d+)')
    if seen and now / 1000 - tonumber(seen) > 7200 then redis.call('HDEL', KEYS[1], fields[i]) end
  end
end

local seconds = ' ' .. text(math.floor(now / 1000))
local stamp = string.format('%013.0f', now)
if key then
  if not head[6] then
    redis.call('DEL', KEYS[3], KEYS[4])
    redis.call('HSET', KEYS[1], 'keys', '1')
  end
  local first = redis.call('LINDEX', KEYS[4], 0)
  while first and now - tonumber(string.sub(first, 1, 13)) > tonumber(ARGV[12]) do
    redis.call('HDEL', KEYS[3], string.sub(first, 14))
    redis.call('LPOP', KEYS[4])
    first = redis.call('LINDEX', KEYS[4], 0)
  end
  local known = redis.call('HGET', KEYS[3], key)
  if known then
    redis.call('HSET', KEYS[1], mine, ARGV[4] .. ' ' .. known .. seconds)
    return answer('0', known)
  end
end

offset = offset + 1
local entry = ARGV[3] .. stamp .. ARGV[9]
local length = redis.call('RPUSH', KEYS[2], entry)
bytes = bytes + #ARGV[9]
if length == 1 then
  bytes, oldest = #ARGV[9], now
  redis.call('PEXPIRE', KEYS[2], lasts())
end
local mostCount, mostBytes, mostAge = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
while length > 0 do
  if length <= mostCount and bytes <= mostBytes then
    if now - oldest <= mostAge then break end
    oldest = tonumber(string.sub(redis.call('LINDEX', KEYS[2], 0), 18, 30))
    if now - oldest <= mostAge then break end
  end
  local gone = redis.call('LPOP', KEYS[2])
  bytes, length, oldest = bytes - #gone + 30, length - 1, tonumber(string.sub(gone, 18, 30))
end
redis.call('HSET', KEYS[1], 'at', text(offset) .. ' ' .. text(bytes) .. ' ' .. text(oldest) .. ' ' .. ARGV[8], mine, ARGV[4] .. ' ' .. text(offset) .. seconds)
if key then
  local kept = text(math.max(idle + idle / 4, tonumber(ARGV[12])))
  redis.call('HSET', KEYS[3], key, text(offset))
  if redis.call('RPUSH', KEYS[4], stamp .. key) > tonumber(ARGV[11]) then
    redis.call('HDEL', KEYS[3], string.sub(redis.call('LPOP', KEYS[4]), 14))
  end
  redis.call('PEXPIRE', KEYS[3], kept)
  redis.call('PEXPIRE', KEYS[4], kept)
end

-- The key's name tells the rest: a prefix without braces, the layout's version, the topic.
local prefix, layout, topic = string.match(KEYS[1], '^(.-)v(%d+):{t:(.*)}h$')
redis.call('PUBLISH', prefix .. 'hints', layout .. ' ' .. epoch .. ' ' .. text(offset) .. ' ' .. #topic .. ' ' .. topic .. entry)
return answer('1', text(offset))
