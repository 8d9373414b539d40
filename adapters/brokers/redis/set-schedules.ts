import { MAX_BATCH_BYTES, type ScheduleChange } from '../../../src/broker.ts'
import { REVOKE_AHEAD } from './ahead.ts'
import { script } from './lua.ts'
import { FORGET_REMOVED } from './removed.ts'
import { SCHEDULES } from './schedule-line.ts'

/**
 * ARGV: prefix, now, then kind, name, app, stamp, definition, due, incarnation and revision ('' for any) of each change. Returns a word
 * each: set, existing or moved.
 * Commands, however many changes: HMGET twice, HSET, ZADD twice, ZREM; more for large definitions, for what was looked
 * ahead and for removals.
 */
export const SET_SCHEDULES = script(`
${SCHEDULES}
${REVOKE_AHEAD}
${FORGET_REMOVED}
local LARGE_DEFINITION = ${MAX_BATCH_BYTES} / 1000
local names, apps, known = {}, {}, {}
for at = 4, #ARGV, 8 do
  local name, app = ARGV[at], ARGV[at + 1]
  if not known[name] then known[name] = true; names[#names + 1] = name end
  if not known['@' .. app] then known['@' .. app] = true; apps[#apps + 1] = app end
end
${'' /* Whoever reads many at once has to know which ones are large, before reading: those one by one, each as its change comes. */}
local sizes, small, large = redis.call('HMGET', prefix .. 'large', unpack(names)), {}, {}
for i, name in ipairs(names) do
  if sizes[i] then large[name] = true else small[#small + 1] = name end
end
local asked = { unpack(small) }
for _, app in ipairs(apps) do asked[#asked + 1] = '@' .. app end
local texts, schedules, deployed = redis.call('HMGET', prefix .. 'schedules', unpack(asked)), {}, {}
for i, name in ipairs(small) do schedules[name] = toSchedule(name, texts[i]) end
for i, app in ipairs(apps) do deployed[app] = (toSchedule(app, texts[#small + i]) or { stamp = 0 }).stamp end
local function stored(name)
  if large[name] and not schedules[name] then return toSchedule(name, redis.call('HGET', prefix .. 'schedules', name)) end
  return schedules[name]
end
local changed, fresh = {}, {}
local function change(s)
  if not s.changed then s.changed = true; changed[#changed + 1] = s end
  schedules[s.name] = s
  return 'set'
end
local function set(kind, name, app, stamp, definition, due, incarnation, revision)
${'' /* A change at run time has no stamp; what it is based on fences it. */}
local hasStamp = revision == '' or stamp > 0
if hasStamp and deployed[app] > stamp then return 'moved' end
local s = stored(name)
local before = s and #s.definition or 0
local isMoved = revision ~= '' and tonumber(revision) ~= (before > 0 and s.revision or 0)
${'' /* Apps' stamps are not compared with each other: what another one has given up is as if it had never been. */}
local isFree = s and before == 0 and s.app ~= app
local isOld = s and hasStamp and s.stamp > stamp and not isFree
if kind == 'remove' then
  if not s or s.app ~= app or s.definition == '' then return 'existing' end
  if isOld or isMoved then return 'moved' end
  revoke(s)
  s.gone = true
  s.definition, s.due, s.revision, s.stamp = '', '', s.revision + 1, math.max(s.stamp, stamp)
  return change(s)
end
if not s then
  if isMoved then return 'moved' end
  fresh[#fresh + 1] = 0
  fresh[#fresh + 1] = name
  return change({ name = name, revision = 1, due = due, last = '', stamp = stamp, incarnation = incarnation, app = app, definition = definition })
end
if isOld then return 'moved' end
local same = s.definition == definition and s.app == app
${'' /* A copy of what was stored and removed since has its incarnation. */}
if isMoved and not same or revision ~= '' and before == 0 and s.incarnation == incarnation then return 'moved' end
if before == 0 then s.last, s.incarnation, s.wasRemoved = '', incarnation, true end
if same and s.stamp >= stamp then return 'existing' end
s.stamp = isFree and stamp or math.max(s.stamp, stamp)
if same then
  change(s)
  return 'existing'
end
revoke(s)
if s.app ~= app then redis.call('ZREM', dueKey(s.app), name) end
s.app, s.definition, s.revision = app, definition, s.revision + 1
if s.last == '' or due == '' or tonumber(due) > tonumber(s.last) then s.due = due end
return change(s)
end
local function noteLarge()
  local are, were = {}, {}
  for _, s in ipairs(changed) do
    if #s.definition >= LARGE_DEFINITION then are[#are + 1] = s.name; are[#are + 1] = #s.definition + 512
    elseif large[s.name] then were[#were + 1] = s.name end
  end
  if #are > 0 then redis.call('HSET', prefix .. 'large', unpack(are)) end
  if #were > 0 then redis.call('HDEL', prefix .. 'large', unpack(were)) end
end
${'' /* By the name that `beatsOf` makes, once for each app. */}
local out, told = {}, {}
for at = 3, #ARGV, 8 do
  local app = ARGV[at + 2]
  local word = set(ARGV[at], ARGV[at + 1], app, tonumber(ARGV[at + 3]), ARGV[at + 4], ARGV[at + 5], ARGV[at + 6], ARGV[at + 7])
  if word == 'set' and not told[app] then told[app] = true; hint('beat.' .. string.gsub(app, ' ', '_')) end
  out[#out + 1] = word
end
${'' /* Before their records: a name without one is passed over. */}
if #fresh > 0 then redis.call('ZADD', prefix .. 'names', unpack(fresh)) end
writeSchedules(changed)
local removed = noteRemoved(changed)
noteLarge()
forgetNotes(changed)
if removed > 0 then forgetRemoved(removed + 100) end
flushHints()
return out
`)

export function setScheduleArguments(change: ScheduleChange): string[] {
  const { kind, name, app, stampMs, revision = '' } = change
  const { definition, dueAtMs, incarnation } =
    kind === 'set' ? change : { definition: '', dueAtMs: null, incarnation: '' }
  const due = dueAtMs === null ? '' : String(dueAtMs)
  return [kind, name, app, String(stampMs), definition, due, incarnation, String(revision)]
}
