import { MAX_BATCH_BYTES, type ScheduleChange, type StoredSchedule, type Tick } from '../../../src/broker.ts'
import { enqueueArguments } from './enqueue.ts'
import { script } from './lua.ts'
import { STORE } from './store.ts'

/**
 * A stored schedule is one field of a hash: `revision|due|lastDue|stamp|incarnation|app`, a newline, the definition. One that
 * was removed stays with an empty definition, so that what is older than the removal cannot bring it back.
 */
const SCHEDULES = `
local SCHEDULE = '^(%d+)|(%d*)|(%d*)|(%d+)|([^|]*)|([^\\n]*)\\n(.*)$'
local function readSchedule(name)
  local text = redis.call('HGET', prefix .. 'schedules', name)
  if not text then return nil end
  local revision, due, last, stamp, incarnation, app, definition = string.match(text, SCHEDULE)
  return { revision = tonumber(revision), due = due, last = last, stamp = tonumber(stamp), incarnation = incarnation, app = app, definition = definition }
end
${'' /* Due times by app, so that a beat's look at its own is one bare command. */}
local function dueKey(app) return prefix .. 'due:' .. app end
local function writeSchedule(name, s)
  redis.call('HSET', prefix .. 'schedules', name, int(s.revision) .. '|' .. s.due .. '|' .. s.last .. '|' .. int(s.stamp) .. '|' .. s.incarnation .. '|' .. s.app .. '\\n' .. s.definition)
  if s.due == '' then redis.call('ZREM', dueKey(s.app), name) else redis.call('ZADD', dueKey(s.app), s.due, name) end
end
`

/**
 * Fires one tick: compares and sets the schedule's (revision, due), and enqueues the tick's job in the same step.
 *
 * ARGV: prefix, now, the bounds and flag of `ENQUEUE`, name, revision, due, next due ('' for none), the due time fired, then the
 * job as `STORE` reads it.
 * Returns fired, existing, moved or full.
 */
export const FIRE = script(`
local given, maxReady, maxTimed, dropOldest, newQueues = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == 'drop-oldest', ARGV[6] == '1'
${STORE}
${SCHEDULES}
local name, revision, due, nextDue = ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10]
local s = readSchedule(name)
if not s or s.definition == '' then return 'moved' end
if s.revision ~= revision or s.due ~= due then
  if s.last ~= '' and tonumber(s.last) >= tonumber(due) then return 'existing' end
  return 'moved'
end
s.last, s.due = ARGV[11], nextDue
readJobs(12)
if storeJobs() == 'F' then return 'full' end
writeSchedule(name, s)
flushWindows(); flushHints()
return 'fired'
`)

export function fireArguments({ schedule, revision, dueAtMs, nextDueAtMs, job }: Tick): string[] {
  const next = nextDueAtMs === null ? '' : String(nextDueAtMs)
  // After missed ticks the one fired is later than the one that was due.
  const firedMs = job.tick?.dueAtMs ?? dueAtMs
  return [schedule, String(revision), String(dueAtMs), next, String(firedMs), ...enqueueArguments([job])]
}

/** ARGV: prefix, now, kind, name, app, stamp, definition, due, incarnation. Returns set, existing or moved. */
export const SET_SCHEDULE = script(`
${SCHEDULES}
local kind, name, app, stamp, definition, due, incarnation = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[9]
local s = readSchedule(name)
if kind == 'remove' then
  if not s or s.app ~= app or s.definition == '' then return 'existing' end
  if s.stamp > stamp then return 'moved' end
  s.definition, s.due, s.revision, s.stamp = '', '', s.revision + 1, stamp
  writeSchedule(name, s)
  return 'set'
end
if not s then
  writeSchedule(name, { revision = 1, due = due, last = '', stamp = stamp, incarnation = incarnation, app = app, definition = definition })
  return 'set'
end
if s.stamp > stamp then return 'moved' end
if s.definition == '' then s.last, s.incarnation = '', incarnation end
local same = s.definition == definition and s.app == app
if same and s.stamp == stamp then return 'existing' end
s.stamp = stamp
if not same then
  if s.app ~= app then redis.call('ZREM', dueKey(s.app), name) end
  s.app, s.definition, s.revision = app, definition, s.revision + 1
  if s.last == '' or due == '' or tonumber(due) > tonumber(s.last) then s.due = due end
end
writeSchedule(name, s)
return same and 'existing' or 'set'
`)

export function setScheduleArguments(change: ScheduleChange): string[] {
  const { kind, name, app, stampMs } = change
  if (kind === 'remove') return [kind, name, app, String(stampMs), '', '', '']
  const { definition, dueAtMs, incarnation } = change
  return [kind, name, app, String(stampMs), definition, dueAtMs === null ? '' : String(dueAtMs), incarnation]
}

/** The schedules of one app that are due. ARGV: prefix, now, app. Returns { now, the earliest due time or '', name and text each }. */
export const READ_DUE = script(`
local now, key, rows = clock(ARGV[2]), prefix .. 'due:' .. ARGV[3], {}
local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
local names = redis.call('ZRANGE', key, '-inf', int(now), 'BYSCORE', 'LIMIT', 0, 1000)
if #names > 0 then
  ${'' /* Of many, as many as a claim may bring: the others stay due. */}
  local fit, bytes = #names, 0
  if #names > 3 then
    for i, name in ipairs(names) do
      bytes = bytes + redis.call('HSTRLEN', prefix .. 'schedules', name)
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
