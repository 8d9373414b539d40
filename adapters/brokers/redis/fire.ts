import { MAX_BATCH_BYTES, type ScheduleChange, type Tick } from '../../../src/broker.ts'
import { NOTE_AHEAD, REVOKE_AHEAD } from './ahead.ts'
import { enqueueArguments } from './enqueue.ts'
import { script } from './lua.ts'
import { CANCEL_JOB } from './operations.ts'
import { TAKE_TURNS } from './overlap.ts'
import { FORGET_REMOVED } from './removed.ts'
import { NOTE_RUNS } from './runs.ts'
import { STORE } from './store.ts'

/**
 * A stored schedule is one field of a hash: `revision|due|lastDue|stamp|incarnation|app`, a newline, the definition. One that
 * was removed stays for a day with an empty definition, so that what is older than the removal cannot bring it back.
 */
const SCHEDULES = `
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

/**
 * Fires ticks in order: compares and sets each schedule's (revision, due), and enqueues the ticks' jobs in the same step.
 *
 * ARGV: prefix, now, the bounds and flag of `ENQUEUE`, about now, the number of ticks, then name, revision, due ('' for one by hand),
 * next due ('' for none), the due time fired ('' for one without a job) and the rule of overlap ('' for none) of each, then their jobs
 * as `STORE` reads them.
 * Returns a word per tick: fired, skipped, existing, moved or full.
 * Commands, however many ticks: HMGET, HSET and ZADD for the schedules, HMGET and HSET for their runs, beside
 * those of `ENQUEUE`; HMGET, HSET and PEXPIRE where some are looked ahead; HMGET, MGET (two for more than eight) and HSET where some
 * have a rule of overlap, and those of `CANCEL` for what it cancels.
 */
export const FIRE = script(`
local given, maxReady, maxTimed, dropOldest, newQueues = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == 'drop-oldest', ARGV[6] == '1'
${STORE}
${SCHEDULES}
${NOTE_AHEAD}
${CANCEL_JOB}
${TAKE_TURNS}
local firedAt = tonumber(ARGV[7])
${NOTE_RUNS}
local FIRST, WIDTH = 9, 6
local count, names, seen, jobs, jobOf, ruled, depths, byHand = tonumber(ARGV[8]), {}, {}, 0, {}, {}, {}, {}
readJobs(FIRST + WIDTH * count)
for i = 1, count do
  local at = FIRST + WIDTH * (i - 1)
  local name, rule = ARGV[at], ARGV[at + 5]
  if not seen[name] then seen[name] = true; names[#names + 1] = name end
  if ARGV[at + 4] ~= '' then jobs = jobs + 1; jobOf[i] = jobs end
  if ARGV[at + 2] == '' and jobOf[i] then byHand[#byHand + 1] = ids[jobs] end
  if rule ~= '' then
    if not depths[name] then ruled[#ruled + 1] = name end
    depths[name] = math.max(depths[name] or 1, depthOf(rule))
  end
end
local texts = redis.call('HMGET', prefix .. 'schedules', unpack(names))
local before, freed = {}, {}
if #ruled > 0 then
  before = readTurns(ruled)
  freed = settleTurns(before, function(name) return depths[name] end)
end
if #byHand > 0 then readHeads(byHand) end
local function isThere(id)
  if not known[id] then return false end
  if now == 0 then now = clock(given) end
  return not isGone(known[id], now)
end
${'' /* A late copy of one by hand that was skipped finds its stub. */}
local function leaveStubs(skipped)
  for _, job in ipairs(skipped) do
    if now == 0 then now = clock(given) end
    local a = alikes[job]
    local stub = { state = 'x', epoch = 0, attempts = 0, lost = 0, at = now + STUB_MS, fin = now, pri = 0, queue = a.queue, meta = a.meta, waiters = '', err = '', progress = '', body = '' }
    redis.call('SET', jobKey(ids[job]), format(stub))
    expire(ids[job], stub.at, now, 0)
  end
end
local schedules, out, turns, made, stubs
${'' /* The jobs of the ticks that are fired. One by one, a job that has no place keeps back the later ones of its schedule alone. */}
local function advance(oneByOne)
  local fired = {}
  schedules, out, turns, made, stubs = {}, {}, {}, {}, {}
  for i, name in ipairs(names) do schedules[name] = toSchedule(name, texts[i]) end
  for name, t in pairs(before) do turns[name] = copyOf(t) end
  for i = 1, count do
    local at = FIRST + WIDTH * (i - 1)
    local name, due, next, firedDue, rule = ARGV[at], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
    local s, job = schedules[name], jobOf[i]
    local function fire()
      local manual = due == ''
      if manual and (made[ids[job]] or isThere(ids[job])) then return 'existing' end
      if not s or s.definition == '' or (manual and not job) then return 'moved' end
      if s.full then return 'full' end
      if s.revision ~= tonumber(ARGV[at + 1]) or not (manual or s.due == due) then
        return not manual and s.last ~= '' and tonumber(s.last) >= tonumber(due) and 'existing' or 'moved'
      end
      local state = 'q'
      if job and rule ~= '' then
        state = becomes(turns[name], rule, ids[job])
        if state == 'full' then s.full = true return 'full' end
        if state ~= 'skipped' then
          local a = alikes[job]
          putJob(job, placed({ queue = a.queue, pri = a.pri, delay = a.delay, due = a.due, meta = a.meta, blocked = state == 'b',
            mark = string.find(rule, '^buffer') and turnMark(name) }))
        end
      end
      if job and state ~= 'skipped' then
        if oneByOne and not storeOrNone({ job }) then s.full = true return 'full' end
        if rule ~= '' then takeTurn(turns[name], rule, ids[job], state)
        elseif alikes[job].place == 't' and not manual then note(s, firedDue, ids[job]) end
        fired[#fired + 1] = job
      end
      if manual then
        made[ids[job]] = true
        if state == 'skipped' then stubs[#stubs + 1] = job end
      else s.last, s.due, s.fired = job and firedDue or due, next, true end
      if not job then noteRun(s, due, 'm')
      elseif state == 'skipped' then noteRun(s, firedDue, 's', nil, manual)
      else noteRun(s, firedDue, 'f', ids[job], manual) end
      return state == 'skipped' and state or 'fired'
    end
    out[i] = fire()
  end
  return fired
end
if not storeOrNone(advance(false)) then advance(true) end
local moved, told = {}, {}
for _, name in ipairs(names) do
  local s = schedules[name]
  if s and s.fired then moved[#moved + 1] = s end
  if s and s.runs then told[#told + 1] = s end
end
writeNotes(moved)
writeSchedules(moved)
writeRuns(told)
finishTurns(turns)
leaveStubs(stubs)
for _, q in ipairs(freed) do nameWaiting(q) end
flushWindows(); flushHints()
return out
`)

export function fireArguments(ticks: readonly Tick[], nowMs: number): string[] {
  return [
    String(nowMs),
    String(ticks.length),
    ...ticks.flatMap(({ schedule, revision, dueAtMs, nextDueAtMs, job, overlap = '' }) => [
      schedule,
      String(revision),
      dueAtMs === null ? '' : String(dueAtMs),
      nextDueAtMs === null ? '' : String(nextDueAtMs),
      // After missed ticks the one fired is later than the one that was due.
      job ? String(job.tick?.dueAtMs ?? dueAtMs ?? nowMs) : '',
      overlap,
    ]),
    ...enqueueArguments(ticks.flatMap(({ job }) => job ?? [])),
  ]
}

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
