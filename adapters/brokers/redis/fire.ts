import type { Tick } from '../../../src/broker.ts'
import { NOTE_AHEAD } from './ahead.ts'
import { enqueueArguments } from './enqueue.ts'
import { script } from './lua.ts'
import { CANCEL_JOB } from './operations.ts'
import { TAKE_TURNS } from './overlap.ts'
import { NOTE_RUNS } from './runs.ts'
import { SCHEDULES } from './schedule-line.ts'
import { STORE } from './store.ts'

/**
 * Fires ticks in order: compares and sets each schedule's (revision, due), and enqueues the ticks' jobs in the same step.
 *
 * ARGV: prefix, now, the bounds and flags of `ENQUEUE`, about now, the number of ticks, then name, revision, due ('' for one by hand),
 * next due ('' for none), the due time fired ('' for one without a job) and the rule of overlap ('' for none) of each, then their jobs
 * as `STORE` reads them.
 * Returns a word per tick: fired, skipped, existing, moved, full or conflict.
 * Commands, however many ticks: HMGET, HSET and ZADD for the schedules, HMGET and HSET for their runs, beside
 * those of `ENQUEUE`; HMGET, HSET and PEXPIRE where some are looked ahead; HMGET, MGET (two for more than eight) and HSET where some
 * have a rule of overlap, and those of `CANCEL` for what it cancels.
 */
export const FIRE = script(`
local given, maxReady, maxTimed, dropOldest = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == 'drop-oldest'
local newQueues, namesTwice = ARGV[6] == '1', ARGV[7] == '1'
${STORE}
${SCHEDULES}
${NOTE_AHEAD}
${CANCEL_JOB}
${TAKE_TURNS}
local firedAt = tonumber(ARGV[8])
${NOTE_RUNS}
local FIRST, WIDTH = 10, 6
local count, names, seen, jobs, jobOf, ruled, depths, byHand = tonumber(ARGV[9]), {}, {}, 0, {}, {}, {}, {}
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
      if manual and (made[ids[job]] or isThere(ids[job])) then
        local request, there = requestOf(alikes[job].meta), known[ids[job]]
        return request and not made[ids[job]] and requestOf(there.meta) ~= request and 'conflict' or 'existing'
      end
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
