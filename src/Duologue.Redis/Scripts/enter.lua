-- Enters a topic: what both scripts begin with. ARGV[1] is an epoch that nobody has used, ARGV[2] the idle lifetime in milliseconds.
-- KEYS: 1 the head (hash), 2 the log (list), 3 offsets by idempotency key (hash), 4 the order of those keys (list). All share a hash tag.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local idle = tonumber(ARGV[2])
local head = redis.call('HMGET', KEYS[1], 'epoch', 'offset', 'run', 'bytes', 'touched', 'chain', 'age')
local epoch, offset, bytes = head[1], tonumber(head[2] or '0'), tonumber(head[4] or '0')
local chain = head[6] or ''
local function text(number) return string.format('%.0f', number) end

-- Which life of which server this is: one that was restarted, or a replica that took over, may have less than its clients were told.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or '-'
if not epoch then
  -- The topic is new, or was flushed, evicted or forgotten: nobody's position is one of this life.
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
  epoch, offset, bytes, chain = ARGV[1], 0, 0, ''
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'offset', '0', 'run', run, 'bytes', '0', 'chain', '')
elseif head[3] ~= run then
  -- The numbering goes on under a new epoch. Up to where this server has the old one is remembered: who has more of it has what was lost.
  local kept = 0
  local longer = epoch .. ':' .. text(offset) .. ','
  for entry in string.gmatch(chain, '%d+:%d+,') do
    kept = kept + 1
    if kept < 8 then longer = longer .. entry end
  end
  epoch, chain = ARGV[1], longer
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'run', run, 'chain', chain)
end

-- Not at each call: an eighth of the lifetime more or less is worth two commands.
if now - tonumber(head[5] or '0') > idle / 8 then
  redis.call('HSET', KEYS[1], 'touched', text(now))
  for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], text(idle + idle / 4)) end
end
