import { MAX_BATCH_BYTES, type ScheduleChange, type StoredSchedule, type Tick } from '../../../src/broker.ts'
import { NOTE_AHEAD, REVOKE_AHEAD } from './ahead.ts'
import { enqueueArguments } from './enqueue.ts'
import { script } from './lua.ts'
import { STORE } from './store.ts'

/**
 * A stored schedule is one field of a hash: `revision|due|lastDue|stamp|incarnation|app`, a newline, the definition. One that
 * was removed stays with an empty definition, so that what is older than the removal cannot bring it back.
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
 * ARGV: prefix, now, the bounds and flag of `ENQUEUE`, the number of ticks, then name, revision, due, next due ('' for none) and the
 * due time fired of each ('' for one without a job), then their jobs as `STORE` reads them.
 * Returns a word per tick: fired, existing, moved or full.
 * Commands, however many ticks: HMGET, HSET and ZADD beside those of `ENQUEUE`; HMGET, HSET and PEXPIRE where some are looked ahead.
 */
export const FIRE = script(`
local given, maxReady, maxTimed, dropOldest, newQueues = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == 'drop-oldest', ARGV[6] == '1'
${STORE}
${SCHEDULES}
${NOTE_AHEAD}
local count, names, known, jobs, jobOf = tonumber(ARGV[7]), {}, {}, 0, {}
readJobs(8 + 5 * count)
for i = 1, count do
  local name = ARGV[3 + 5 * i]
  if not known[name] then known[name] = true; names[#names + 1] = name end
  if ARGV[7 + 5 * i] ~= '' then jobs = jobs + 1; jobOf[i] = jobs end
end
local texts = redis.call('HMGET', prefix .. 'schedules', unpack(names))
local schedules, out
${'' /* The jobs of the ticks that are fired. One by one, a job that has no place keeps back the later ones of its schedule alone. */}
local function advance(oneByOne)
  local fired = {}
  schedules, out = {}, {}
  for i, name in ipairs(names) do schedules[name] = toSchedule(name, texts[i]) end
  for i = 1, count do
    local at = 3 + 5 * i
    local s, due, job = schedules[ARGV[at]], ARGV[at + 2], jobOf[i]
    if not s or s.definition == '' then out[i] = 'moved'
    elseif s.full then out[i] = 'full'
    elseif s.revision ~= tonumber(ARGV[at + 1]) or s.due ~= due then
      out[i] = s.last ~= '' and tonumber(s.last) >= tonumber(due) and 'existing' or 'moved'
    elseif oneByOne and job and not storeOrNone({ job }) then
      s.full = true
      out[i] = 'full'
    else
      if job and alikes[job].place == 't' then note(s, ARGV[at + 4], ids[job]) end
      s.last, s.due, s.fired = job and ARGV[at + 4] or due, ARGV[at + 3], true
      fired[#fired + 1] = job
      out[i] = 'fired'
    end
  end
  return fired
end
if not storeOrNone(advance(false)) then advance(true) end
local moved = {}
for _, name in ipairs(names) do
  local s = schedules[name]
  if s and s.fired then moved[#moved + 1] = s end
end
writeNotes(moved)
writeSchedules(moved)
flushWindows(); flushHints()
return out
`)

export function fireArguments(ticks: readonly Tick[]): string[] {
  return [
    String(ticks.length),
    ...ticks.flatMap(({ schedule, revision, dueAtMs, nextDueAtMs, job }) => [
      schedule,
      String(revision),
      String(dueAtMs),
      nextDueAtMs === null ? '' : String(nextDueAtMs),
      // After missed ticks the one fired is later than the one that was due.
      job ? String(job.tick?.dueAtMs ?? dueAtMs) : '',
    ]),
    ...enqueueArguments(ticks.flatMap(({ job }) => job ?? [])),
  ]
}

/**
 * ARGV: prefix, now, then kind, name, app, stamp, definition, due, incarnation and revision ('' for any) of each change. Returns a word
 * each: set, existing or moved.
 */
export const SET_SCHEDULES = script(`
${SCHEDULES}
${REVOKE_AHEAD}
local LARGE_DEFINITION = ${MAX_BATCH_BYTES} / 1000
local function set(kind, name, app, stamp, definition, due, incarnation, revision)
local s = toSchedule(name, redis.call('HGET', prefix .. 'schedules', name))
${'' /* Whoever reads many at once has to know which ones are large, before reading. */}
local before = s and #s.definition or 0
${'' /* A change at run time has no stamp; what it is based on fences it. */}
local seen = before > 0 and s.revision or 0
local isMoved = revision ~= '' and tonumber(revision) ~= seen
local isOld = s and s.stamp > stamp and not (revision ~= '' and stamp == 0)
local function change(s)
  writeSchedules({ s })
  if #s.definition >= LARGE_DEFINITION then redis.call('HSET', prefix .. 'large', name, #s.definition + 512)
  elseif before >= LARGE_DEFINITION then redis.call('HDEL', prefix .. 'large', name) end
  forgetRevoked(s)
  return 'set'
end
if kind == 'remove' then
  if not s or s.app ~= app or s.definition == '' then return 'existing' end
  if isOld or isMoved then return 'moved' end
  revoke(s)
  s.definition, s.due, s.revision, s.stamp = '', '', s.revision + 1, math.max(s.stamp, stamp)
  return change(s)
end
if not s then
  if isMoved then return 'moved' end
  return change({ name = name, revision = 1, due = due, last = '', stamp = stamp, incarnation = incarnation, app = app, definition = definition })
end
if isOld then return 'moved' end
local same = s.definition == definition and s.app == app
${'' /* A copy of what was stored and removed since has its incarnation. */}
if isMoved and not same or revision ~= '' and before == 0 and s.incarnation == incarnation then return 'moved' end
if s.definition == '' then s.last, s.incarnation = '', incarnation end
if same and s.stamp >= stamp then return 'existing' end
s.stamp = math.max(s.stamp, stamp)
if same then
  writeSchedules({ s })
  return 'existing'
end
revoke(s)
if s.app ~= app then redis.call('ZREM', dueKey(s.app), name) end
s.app, s.definition, s.revision = app, definition, s.revision + 1
if s.last == '' or due == '' or tonumber(due) > tonumber(s.last) then s.due = due end
return change(s)
end
local out = {}
for at = 3, #ARGV, 8 do
  out[#out + 1] = set(ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 4], ARGV[at + 5], ARGV[at + 6], ARGV[at + 7])
end
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

/**
 * The schedules of one app that are due by now or within so long. ARGV: prefix, now, app, how long.
 * Returns { now, the earliest due time or '', name and text each }.
 */
export const READ_DUE = script(`
local now, key, rows = clock(ARGV[2]), prefix .. 'due:' .. ARGV[3], {}
local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
local names = redis.call('ZRANGE', key, '-inf', int(now + tonumber(ARGV[4])), 'BYSCORE', 'LIMIT', 0, 1000)
if #names > 0 then
  ${'' /* Of many, as many as a claim may bring: the others stay due. */}
  local fit, bytes = #names, 0
  if #names > 3 then
    local large = redis.call('HMGET', prefix .. 'large', unpack(names))
    for i = 1, #names do
      bytes = bytes + (tonumber(large[i]) or 0)
      if bytes > ${MAX_BATCH_BYTES} then fit = math.max(1, i - 1) break end
    end
  end
  local texts = redis.call('HMGET', prefix .. 'schedules', unpack(names, 1, fit))
  for i, name in ipairs(names) do if texts[i] then rows[#rows + 1] = name; rows[#rows + 1] = texts[i] end end
end
return { int(now), head[2] and int(tonumber(head[2])) or '', rows }
`)

/** The names of all schedules. ARGV: prefix, now. Returns { now, names }. */
export const READ_NAMES = script(`
return { int(clock(ARGV[2])), redis.call('HKEYS', prefix .. 'schedules') }
`)

/** Without those that were removed; by due time, those that have come to their end last. */
export function toStoredSchedules(rows: readonly string[]): StoredSchedule[] {
  const schedules: StoredSchedule[] = []
  for (let at = 0; at < rows.length; at += 2) {
    const schedule = toStoredSchedule(rows[at] as string, rows[at + 1] as string)
    if (schedule.definition !== '') schedules.push(schedule)
  }
  const due = ({ dueAtMs }: StoredSchedule) => dueAtMs ?? Number.MAX_SAFE_INTEGER
  return schedules.sort((a, b) => due(a) - due(b) || a.name.localeCompare(b.name))
}

function toStoredSchedule(name: string, text: string): StoredSchedule {
  const end = text.indexOf('\n')
  const [revision, due = '', last = '', stamp, incarnation = '', ...app] = text.slice(0, end).split('|')
  const orNull = (ms: string) => (ms === '' ? null : Number(ms))
  return {
    name,
    app: app.join('|'),
    definition: text.slice(end + 1),
    revision: Number(revision),
    incarnation,
    dueAtMs: orNull(due),
    lastDueAtMs: orNull(last),
    stampMs: Number(stamp),
  }
}
