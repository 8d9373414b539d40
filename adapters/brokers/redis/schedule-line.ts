/**
 * A stored schedule is one field of a hash: `revision|due|lastDue|stamp|incarnation|app`, a newline, the definition. One that
 * was removed stays for a day with an empty definition, so that what is older than the removal cannot bring it back.
 */
export const SCHEDULES = `
local SCHEDULE = '^(%d+)|(%d*)|(%d*)|(%d+)|([^|]*)|([^\\n]*)\\n(.*)$'
local function toSchedule(name, text)
  if not text then return nil end
  local revision, due, last, stamp, incarnation, app, definition = string.match(text, SCHEDULE)
  return { name = name, revision = tonumber(revision), due = due, last = last, stamp = tonumber(stamp), incarnation = incarnation, app = app, definition = definition }
end
${'' /* Due times by app, so that a beat's look at its own is one bare command. */}
local function dueKey(app) return prefix .. 'due:' .. app end
local function writeSchedules(list)
  if #list == 0 then return end
  local texts, due, ended = {}, {}, {}
  for _, s in ipairs(list) do
    texts[#texts + 1] = s.name
    texts[#texts + 1] = int(s.revision) .. '|' .. s.due .. '|' .. s.last .. '|' .. int(s.stamp) .. '|' .. s.incarnation .. '|' .. s.app .. '\\n' .. s.definition
    local byApp = s.due == '' and ended or due
    local args = byApp[s.app] or {}
    byApp[s.app] = args
    if s.due ~= '' then args[#args + 1] = s.due end
    args[#args + 1] = s.name
  end
  redis.call('HSET', prefix .. 'schedules', unpack(texts))
  for app, args in pairs(due) do redis.call('ZADD', dueKey(app), unpack(args)) end
  for app, args in pairs(ended) do redis.call('ZREM', dueKey(app), unpack(args)) end
end
`
