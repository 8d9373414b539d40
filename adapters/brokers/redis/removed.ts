/**
 * What is left of schedules that were removed: their lines, by which late copies are told, and whose turn it was. The sorted set `removed`
 * has them by when they were.
 *
 * @module
 */
import { REMOVED_MS } from '../../../src/broker.ts'

/**
 * Inside `SET_SCHEDULES`. Each step that removes forgets those of a day before, a hundred more than it removes: names that come and go
 * take room for a day. An older process may have brought one back.
 * Commands of a step that removes, however many: TIME, ZADD, ZRANGE; where some are forgotten HMGET twice, ZREM twice, HDEL twice.
 */
export const FORGET_REMOVED = `
local removedAt
local function noteRemoved(list)
  local gone, back = {}, {}
  for _, s in ipairs(list) do
    if s.definition == '' then
      removedAt = removedAt or clock(ARGV[2])
      gone[#gone + 1] = int(removedAt); gone[#gone + 1] = s.name
    elseif s.wasRemoved then back[#back + 1] = s.name end
  end
  if #back > 0 then redis.call('ZREM', prefix .. 'removed', unpack(back)) end
  if #gone > 0 then redis.call('ZADD', prefix .. 'removed', unpack(gone)) end
  return #gone / 2
end
local function forgetRemoved(most)
  local names = redis.call('ZRANGE', prefix .. 'removed', '-inf', int(removedAt - ${REMOVED_MS}), 'BYSCORE', 'LIMIT', 0, int(most))
  if #names == 0 then return end
  local dead, idle = {}, {}
  for i, text in ipairs(redis.call('HMGET', prefix .. 'schedules', unpack(names))) do
    local s = toSchedule(names[i], text)
    if s and s.definition == '' then dead[#dead + 1] = names[i] end
  end
  redis.call('ZREM', prefix .. 'removed', unpack(names))
  if #dead == 0 then return end
  for i, text in ipairs(redis.call('HMGET', prefix .. 'turns', unpack(dead))) do
    if text and not string.find(text, '\\t', 1, true) then idle[#idle + 1] = dead[i] end
  end
  if #idle > 0 then redis.call('HDEL', prefix .. 'turns', unpack(idle)) end
  redis.call('ZREM', prefix .. 'names', unpack(dead))
  redis.call('HDEL', prefix .. 'schedules', unpack(dead))
end
`
