-- What both scripts begin with. ARGV[1] is an epoch that nobody has used, ARGV[2] the idle lifetime in milliseconds.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local idle = tonumber(ARGV[2])
local function text(number) return string.format('%.0f', number) end
local function lasts() return text(idle + idle / 4) end

-- Which life of which server this is: one that was restarted, or a replica that took over, may have less than its clients were told. The replication id is new after either, and the
-- cheapest to have; where there is no replication (Garnet) it is always the same, and the run id says it.
local replication = redis.call('INFO', 'replication')
local at = string.find(replication, 'master_replid:', 1, true)
local life = at and string.match(replication, '^%w+', at + 14) or '0'
if not string.find(life, '[^0]') then life = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or '-' end

-- Epochs grow along a log, whoever gives the next one: another node's call, which has a greater one, may have come first. They are too large for a number here, and are compared, and counted on, as text.
local function isNewer(epoch, other) return #epoch > #other or (#epoch == #other and epoch > other) end
local function nextEpoch(topic)
  if isNewer(ARGV[1], topic.epoch) then return ARGV[1] end
  local high, low = string.match(topic.epoch, '^(%d-)(%d%d?%d?%d?%d?%d?%d?%d?%d?)$')
  local sum = string.format('%0' .. #low .. '.0f', tonumber(low) + 1)
  if #sum < 10 then return high .. sum end
  return text((tonumber(high) or 0) + 1) .. string.sub(sum, -9)
end

-- The topic goes on under an epoch that continues no other, so that all are told that something is missing, or may come again.
local function breakOff(topic, headKey)
  topic.epoch, topic.chain = nextEpoch(topic), ''
  redis.call('HSET', headKey, 'epoch', topic.epoch, 'life', life, 'chain', '')
end

-- Enters a topic. Its keys: the head (hash), the log (list), and where a publish has an idempotency key offsets by key (hash), and the order of the keys (list). All share a hash tag.
-- Fields of the head: epoch; at: offset, bytes, a time not after the oldest message's, greatest age in ms; life: the server's; touched; chain; keys: set if the two of idempotency are of
-- this life of the topic; n and the 8 bytes of a node: its last number, the offset that had, when in seconds.
--
-- Who asks may tell a place that it knows the topic to have reached: it was confirmed so, or heard of. A log that has less has lost something, and nobody else may know: a replica that took over does not know what it
-- was not sent, and an older copy not what it lacks.
local function enter(headKey, logKey, node, seenEpoch, seenOffset)
  local head = redis.call('HMGET', headKey, 'epoch', 'at', 'life', 'touched', 'chain', 'keys', node)
  local offset, bytes, oldest, age = string.match(head[2] or '0 0 0 0', '(%d+) (%d+) (%d+) (%d+)')
  local topic = { epoch = head[1], chain = head[5] or '', keys = head[6], last = head[7], offset = tonumber(offset), bytes = tonumber(bytes), oldest = tonumber(oldest), age = tonumber(age) }
  local isDue = now - tonumber(head[4] or '0') > idle / 8

  -- A server that is full refuses what may take memory, but only as a script's first write. Who appends is to be refused by it, and so takes nothing away before; who reads is not, and keeps the topic alive.
  if node == '' and topic.epoch and (isDue or head[3] ~= life) then redis.call('PEXPIRE', logKey, lasts()) end
  if not topic.epoch then
    -- The topic is new, or was flushed, evicted or forgotten: nobody's position is one of this life.
    if node == '' then redis.call('DEL', logKey) end
    topic.epoch, topic.chain = ARGV[1], ''
    redis.call('HSET', headKey, 'epoch', topic.epoch, 'life', life)
    redis.call('DEL', logKey)
  elseif head[3] ~= life then
    -- The numbering goes on under a new epoch. Up to where this server has the old one is remembered: who has more of it has what was lost.
    local kept = 0
    local longer = topic.epoch .. ':' .. text(topic.offset) .. ','
    for entry in string.gmatch(topic.chain, '%d+:%d+,') do
      kept = kept + 1
      if kept < 8 then longer = longer .. entry end
    end
    topic.epoch, topic.chain = nextEpoch(topic), longer
    redis.call('HSET', headKey, 'epoch', topic.epoch, 'life', life, 'chain', topic.chain)
  end

  if seenEpoch and seenEpoch ~= '' then
    local known = seenEpoch == topic.epoch and topic.offset or nil
    for earlier, reached in string.gmatch(topic.chain, '(%d+):(%d+),') do
      if earlier == seenEpoch then known = tonumber(reached) end
    end
    -- One that is newer than the log's is of a log that this one does not continue, and so is one that lies between two that follow each other here: what was confirmed under it is not here. One that is older than all
    -- that are known here has been forgotten, as it may be.
    local first = string.match(topic.chain, '(%d+):%d+,$') or topic.epoch
    if (known and tonumber(seenOffset) > known) or (not known and isNewer(seenEpoch, first)) then
      if node == '' then redis.call('PEXPIRE', logKey, lasts()) end
      breakOff(topic, headKey)
    end
  end

  -- Not at each call: an eighth of the lifetime more or less is worth three commands.
  if isDue then
    redis.call('HSET', headKey, 'touched', text(now))
    redis.call('PEXPIRE', headKey, lasts())
    redis.call('PEXPIRE', logKey, lasts())
  end
  return topic
end
