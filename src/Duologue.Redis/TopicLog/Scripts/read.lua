-- Reads a topic. ARGV: 3 'now', 'oldest' or 'after', 4 epoch and 5 offset of the place, 6 most messages, 7 most bytes of payload, 8 epoch and 9 offset of a place that it is known
-- to have reached, or nothing.
-- Answers epoch, offset of the newest, offset behind which the entries stand, lost (-1 unknown, 0 none), and the entries.
local topic = enter(KEYS[1], KEYS[2], '', ARGV[8], ARGV[9])
local epoch, chain, offset, bytes, oldest, age = topic.epoch, topic.chain, topic.offset, topic.bytes, topic.oldest, topic.age
if ARGV[3] == 'now' then return { epoch, text(offset), text(offset), 0, {} } end
local length = redis.call('LLEN', KEYS[2])
local trimmed = false
while length > 0 and now - oldest > age do
  local first = redis.call('LINDEX', KEYS[2], 0)
  oldest, trimmed = tonumber(string.sub(first, 18, 30)), true
  if now - oldest > age then
    redis.call('LPOP', KEYS[2])
    bytes, length = bytes - #first + 30, length - 1
  end
end
if trimmed then
  -- First: see who enters.
  redis.call('PEXPIRE', KEYS[2], lasts())
  redis.call('HSET', KEYS[1], 'at', text(offset) .. ' ' .. text(bytes) .. ' ' .. text(oldest) .. ' ' .. text(age))
end

local first = offset - length
local from, lost = first, 0
if ARGV[3] == 'after' then
  local place, known = tonumber(ARGV[5]), nil
  if ARGV[4] == epoch then known = offset end
  for earlier, reached in string.gmatch(chain, '(%d+):(%d+),') do
    if earlier == ARGV[4] then known = tonumber(reached) end
  end
  if not known or place > known then
    lost = -1
  elseif place < first then
    lost = first - place
  else
    from = place
  end
end

local entries, size, index, most = {}, 0, from - first, tonumber(ARGV[6])
while index < length and #entries < most do
  -- In pieces: a page of large messages must not bring the whole history into the script.
  local piece = redis.call('LRANGE', KEYS[2], index, math.min(index + 15, length - 1))
  for _, entry in ipairs(piece) do
    size = size + #entry - 30
    if #entries == most or (size > tonumber(ARGV[7]) and #entries > 0) then return { epoch, text(offset), text(from), lost, entries } end
    entries[#entries + 1] = entry
  end
  index = index + #piece
end
return { epoch, text(offset), text(from), lost, entries }
