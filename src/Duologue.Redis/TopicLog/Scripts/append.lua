-- Appends messages in their order, trims the histories, tells all nodes in one notification. ARGV: 3 which node this is (8 bytes), then for each message: its entry's head (17 bytes) with
-- numbers in text behind it, which are the place of its topic's first key in KEYS, the number of the publish, the number of the publish that was under way before it in the topic, or 0, most messages, most
-- bytes, greatest age in ms, most idempotency keys, or 0 where it has none, their greatest age in ms, and perhaps epoch and offset of a place that the topic is known to have reached; the payload; where it has one, the idempotency key.
-- Answers a line for each: what became of it, epoch, offset and time in ms. 1: it was appended now; 0: it is a repeat; 2: it is a repeat whose offset nothing here tells any more;
-- 3: it has to come again behind the one before. 4 and the server's words: it failed. 5 and those: it is here, but nobody may be told of it.
local node = 'n' .. ARGV[3]
local seconds = ' ' .. clock[1]
local stamp = string.format('%013.0f', now)
local topics, told = {}, {}

local function answer(what, topic, at) return what .. ' ' .. topic.epoch .. ' ' .. at .. ' ' .. stamp end

local function know(topic, headKey, number, at, ...)
  redis.call('HSET', headKey, node, number .. ' ' .. at .. seconds, ...)
  topic.lastNumber, topic.lastOffset, topic.last = tonumber(number), at, true
end

-- A full server refuses this, where it would let a script take something away, and then write all it likes.
local function askForRoom(topic, headKey) redis.call('HSET', headKey, 'epoch', topic.epoch) end

-- A repeat after a broken connection: the node's publishes come in order, so this one is here already.
local function find(topic, first, tag, number, key)
  if topic.lastNumber == number then return answer('0', topic, topic.lastOffset) end
  local length = redis.call('LLEN', KEYS[first + 1])
  local to = length - 1
  while to >= 0 do
    local from = math.max(to - 31, 0)
    local piece = redis.call('LRANGE', KEYS[first + 1], from, to)
    for i = #piece, 1, -1 do
      if string.sub(piece[i], 2, 17) == tag then return answer('0', topic, text(topic.offset - length + from + i)) end
    end
    to = from - 1
  end
  local known = key and topic.keys and redis.call('HGET', KEYS[first + 2], key)
  if known then return answer('0', topic, known) end
  return answer('2', topic, '0')
end

-- An entry that is pushed and then refused its offset would shift all behind it. So what comes behind the push is asked for before it; once, for rights are a user's, and the keys of all topics are alike.
local mayFinish, mayForget = false, false
local function need(isAllowed, command, key)
  if not isAllowed then error("NOPERM this user has no permissions to run the '" .. command .. "' command, or to use the key " .. key, 0) end
end
local function checkRights(headKey, logKey, placesKey)
  local may = redis.acl_check_cmd
  if not may then return end
  if not mayFinish then
    need(may('HSET', headKey, 'at', ''), 'hset', headKey)
    need(may('LPOP', logKey), 'lpop', logKey)
    need(may('LINDEX', logKey, '0'), 'lindex', logKey)
    need(may('PEXPIRE', logKey, '1'), 'pexpire', logKey)
  end
  if placesKey and not mayForget then need(may('HDEL', placesKey, '0'), 'hdel', placesKey) end
  mayFinish, mayForget = true, mayForget or placesKey ~= nil
end

local function append(first, spec, payload, key, number, before, mostCount, mostBytes, mostAge, mostKeys, mostKeyAge, seenEpoch, seenOffset)
  local headKey, logKey = KEYS[first], KEYS[first + 1]
  local topic = topics[first]
  if not topic then
    topic = enter(headKey, logKey, node, seenEpoch, seenOffset)
    topic.name = string.match(headKey, '^[^{]*{t:(.*)}h$')
    topic.lastNumber, topic.lastOffset = string.match(topic.last or '0 0', '(%d+) (%d+)')
    topic.lastNumber = tonumber(topic.lastNumber)
    topics[first] = topic
  end
  if topic.lastNumber >= tonumber(number) then return find(topic, first, string.sub(spec, 2, 17), tonumber(number), key) end
  if topic.lastNumber < tonumber(before) then
    -- The one before was refused (a script not loaded yet, a server not ready): taken now, this one would make its repeat look like one that is here. Unless it has failed for good, as a key is another
    -- application's: then this one fails by the same, here, and does not come again.
    redis.call('LLEN', logKey)
    if key then redis.call('HLEN', KEYS[first + 2]); redis.call('LLEN', KEYS[first + 3]) end
    return answer('3', topic, '0')
  end
  if not topic.last and redis.call('HLEN', headKey) > 64 then
    -- Nodes come and go with each deploy. No publish is repeated after two hours: that is twice the greatest PublishTimeout.
    askForRoom(topic, headKey)
    local fields = redis.call('HGETALL', headKey)
    for i = 1, #fields, 2 do
      local seen = string.byte(fields[i]) == 110 and #fields[i] == 9 and string.match(fields[i + 1], '%d+ %d+ (%d+)')
      if seen and now / 1000 - tonumber(seen) > 7200 then redis.call('HDEL', headKey, fields[i]) end
    end
  end

  local placesKey, orderKey = KEYS[first + 2], KEYS[first + 3]
  if key then
    if not topic.keys then
      redis.call('HSET', headKey, 'keys', '1')
      redis.call('DEL', placesKey, orderKey)
      topic.keys = '1'
    end
    local oldest = redis.call('LINDEX', orderKey, 0)
    local places = redis.call('HMGET', placesKey, key, oldest and string.sub(oldest, 14) or key)
    if (oldest and not places[2]) or (not oldest and redis.call('HLEN', placesKey) > 0) then
      -- One of the two was evicted without the other: what is repeated from here on is not known to be.
      breakOff(topic, headKey)
      redis.call('DEL', placesKey, orderKey)
      places, oldest = {}, nil
    end
    local known = places[1]
    while oldest and now - tonumber(string.sub(oldest, 1, 13)) > tonumber(mostKeyAge) do
      askForRoom(topic, headKey)
      redis.call('HDEL', placesKey, string.sub(oldest, 14))
      redis.call('LPOP', orderKey)
      if string.sub(oldest, 14) == key then known = nil end
      oldest = redis.call('LINDEX', orderKey, 0)
    end
    if known then
      know(topic, headKey, number, known)
      return answer('0', topic, known)
    end
  end

  checkRights(headKey, logKey, key and placesKey)
  local entry = string.sub(spec, 1, 17) .. stamp .. payload
  local length = redis.call('RPUSH', logKey, entry)
  local offset, bytes, oldest = topic.offset + 1, topic.bytes + #payload, topic.oldest
  if length == 1 then
    bytes, oldest = #payload, now
    redis.call('PEXPIRE', logKey, lasts())
  end
  local countLeft, bytesLeft, ageLeft = tonumber(mostCount), tonumber(mostBytes), tonumber(mostAge)
  while length > 0 do
    if length <= countLeft and bytes <= bytesLeft then
      if now - oldest <= ageLeft then break end
      oldest = tonumber(string.sub(redis.call('LINDEX', logKey, 0), 18, 30))
      if now - oldest <= ageLeft then break end
    end
    local gone = redis.call('LPOP', logKey)
    bytes, length, oldest = bytes - #gone + 30, length - 1, tonumber(string.sub(gone, 18, 30))
  end
  local at = text(offset)
  know(topic, headKey, number, at, 'at', at .. ' ' .. text(bytes) .. ' ' .. text(oldest) .. ' ' .. mostAge)
  topic.offset, topic.bytes, topic.oldest = offset, bytes, oldest
  if key then
    local kept = text(math.max(idle + idle / 4, tonumber(mostKeyAge)))
    redis.call('HSET', placesKey, key, at)
    if redis.call('RPUSH', orderKey, stamp .. key) > tonumber(mostKeys) then
      redis.call('HDEL', placesKey, string.sub(redis.call('LPOP', orderKey), 14))
    end
    redis.call('PEXPIRE', placesKey, kept)
    redis.call('PEXPIRE', orderKey, kept)
  end

  told[#told + 1] = topic.epoch .. ' ' .. at .. ' ' .. #topic.name .. ' ' .. #entry .. ' ' .. topic.name
  told[#told + 1] = entry
  return answer('1', topic, at)
end

-- What fails fails alone: a key that is not ours, of another type, is its topic's trouble, and not that of those who travel with it. Where the server takes nothing more (its memory, its disk) it says so only
-- before a script's first write, and so each message has its own true answer: nothing of it is here, or all of it. What comes behind one that failed in its topic is early, and comes again.
local function failed(how, said) return how .. ' ' .. string.gsub(type(said) == 'table' and said.err or tostring(said), '[\r\n]', ' ') end

-- Which of a topic's keys is another application's, and what it is.
local function foreign(first, key)
  local wanted = { 'hash', 'list', 'hash', 'list' }
  for i = 1, key and 4 or 2 do
    local found = redis.call('TYPE', KEYS[first + i - 1])
    found = type(found) == 'table' and found.ok or found
    if found ~= 'none' and found ~= wanted[i] then return 'WRONGTYPE The key ' .. KEYS[first + i - 1] .. ' is a ' .. found .. ', where the topic has a ' .. wanted[i] .. ': it is of another application' end
  end
end

local answers, i = {}, 4
while i < #ARGV do
  local spec, payload, key = ARGV[i], ARGV[i + 1], nil
  local first, number, before, mostCount, mostBytes, mostAge, mostKeys, mostKeyAge, seenEpoch, seenOffset = string.match(spec, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) ?(%d*) ?(%d*)$', 18)
  i = i + 2
  if mostKeys ~= '0' then
    key = ARGV[i]
    i = i + 1
  end
  first = tonumber(first)
  local done, said = pcall(append, first, spec, payload, key, number, before, mostCount, mostBytes, mostAge, mostKeys, mostKeyAge, seenEpoch, seenOffset)
  if not done then
    topics[first] = nil
    said = failed('4', said)
    if string.find(said, 'WRONGTYPE', 1, true) then
      -- Where asking is not allowed, the server's own words have to do.
      local known, which = pcall(foreign, first, key)
      if known and which then said = failed('4', which) end
    end
  end
  answers[#answers + 1] = said
end

if #told > 0 then
  -- The key's name tells the rest: a prefix without braces, the layout's version.
  local prefix, layout = string.match(KEYS[1], '^(.-)v(%d+):{t:')
  local done, said = pcall(function() redis.call('PUBLISH', prefix .. 'hints', layout .. ' ' .. table.concat(told)) end)
  for place = 1, done and 0 or #answers do
    -- Who may not tell others is told so.
    if string.byte(answers[place]) == 49 then answers[place] = failed('5', said) end
  end
end
return table.concat(answers, '\n')
