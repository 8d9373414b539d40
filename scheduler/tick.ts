/**
 * Firing what is due. Whoever wakes first fires: any number of beats may do this at once.
 *
 * Each tick is a compare-and-set on the schedule's stored due time, with the tick's job enqueued in the same step, so a due
 * time becomes a job once, however many beats race and however often a call is sent. `now` is the broker's: a beat whose
 * own clock is wrong neither fires early nor twice.
 *
 * @module
 */
import type { App } from '../src/app.ts'
import {
  type Broker,
  type FireOutcome,
  MAX_AHEAD_MS,
  type SchedulePage,
  type StoredSchedule,
  type Tick,
} from '../src/broker.ts'
import { type Clock, systemClock } from '../src/clock.ts'
import { InvalidOption, toError } from '../src/errors.ts'
import { type OnEvent, type TqEvent, withoutThrowing } from '../src/events.ts'
import { type JobTick, tickJobId } from '../src/job.ts'
import type { Schedule } from '../src/schedule.ts'
import { type Calls, createCalls, ENVELOPE_BYTES } from './calls.ts'
import { resumesAt } from './catch-up.ts'
import { fromDefinition } from './definition.ts'
import { dueAfter } from './due-after.ts'
import { latestDue } from './latest.ts'

export interface TickOptions {
  readonly app: App
  readonly broker: Broker
  readonly clock?: Clock
  readonly random?: () => number
  readonly onEvent?: OnEvent | undefined
  /**
   * How far to look ahead: due times within so long become jobs now that wait for them, so that a schedule may be due more often than
   * passes are made. The time between two passes, at most 900,000. Default 0.
   */
  readonly aheadMs?: number | undefined
}

export interface TickReport {
  /** Ticks that this pass is known to have fired, also ahead of time. One whose reply was lost is fired, but not counted. */
  readonly fired: number
  /** The next due time that is not fired yet, of the schedules that this app can fire; null when there is none. */
  readonly nextAtMs: number | null
  /** The broker's time at the end of the pass. */
  readonly nowMs: number
}

/**
 * Fires the ticks of the app's schedules that are due: one pass, for edge crons and `tq beat --once`.
 *
 * Any number of passes may run at once, some of them looking ahead. Throws `InvalidOption` for an `aheadMs` that cannot be, and what
 * the broker throws when it cannot be reached.
 *
 * @example
 * ```ts
 * import { defineApp, defineTask } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { deploySchedules, every, tick } from 'tq-edge/scheduler'
 *
 * const check = defineTask({ name: 'check', run: () => 'ok' })
 * const app = defineApp({ tasks: [check], schedules: [every('checks', '10s', { task: check })] })
 * const broker = sqliteBroker({ path: ':memory:' })
 * await deploySchedules({ app, broker, stampMs: 1 })
 * const { nextAtMs, nowMs } = await tick({ app, broker, aheadMs: 60_000 }) // 6 jobs that wait for their time
 * console.log((nextAtMs ?? 0) > nowMs + 60_000) // true
 * ```
 */
export async function tick({
  app,
  broker,
  clock = systemClock,
  random = Math.random,
  aheadMs = 0,
  ...given
}: TickOptions): Promise<TickReport> {
  const onEvent = withoutThrowing(given.onEvent)
  checkAhead(aheadMs)
  const calls = createCalls(broker, { clock, random, onEvent })
  return pass({ app, calls, onEvent, unknownSeen: new Set(), aheadMs })
}

function checkAhead(aheadMs: number): void {
  if (!(Number.isInteger(aheadMs) && aheadMs >= 0 && aheadMs <= MAX_AHEAD_MS))
    throw new InvalidOption('aheadMs', `whole milliseconds from 0 to ${MAX_AHEAD_MS}`, String(aheadMs))
}

/** What passes of one beat share. */
export interface PassContext {
  readonly app: App
  readonly calls: Calls
  readonly onEvent?: OnEvent | undefined
  /** Names of the schedules that were said to be unknown or broken: once per beat. */
  readonly unknownSeen: Set<string>
  /** A beat that is there in time does not look ahead. */
  readonly aheadMs?: number
}

/** How often one pass looks again: at what has changed under it, and at what fell due meanwhile. */
const MAX_ROUNDS = 5

/** A tick whose queue is full stays due; until it is tried again. */
const FULL_PAUSE_MS = 1_000

export async function pass(context: PassContext): Promise<TickReport> {
  const { app, calls, aheadMs = 0 } = context
  let fired = 0
  let nowMs = 0
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const page = await calls.schedules({ due: true, app: app.name, aheadMs })
    const ticks = toRound(page, context)
    if (ticks.length === 0) return { fired, ...(await outlook(page, context)) }
    const outcomes = await calls.fire(ticks)
    fired += tell(ticks, outcomes, context)
    nowMs = page.nowMs
    // What follows a tick of a full queue has moved with it.
    const isStuck = outcomes.every((outcome) => outcome === 'full' || outcome === 'moved')
    if (isStuck && outcomes.includes('full')) return { fired, ...(await beside(page, context)) }
  }
  return { fired, nextAtMs: nowMs, nowMs }
}

/** Schedules of full queues wait; the others do not wait for them. */
async function beside(page: SchedulePage, context: PassContext): Promise<Omit<TickReport, 'fired'>> {
  const { nextAtMs, nowMs } = await outlook(page, context)
  return { nextAtMs: Math.min(nextAtMs ?? Number.POSITIVE_INFINITY, nowMs + FULL_PAUSE_MS), nowMs }
}

/** What stays due without being fired is unknown here, and nothing to wake for. */
async function outlook(page: SchedulePage, { app, calls }: PassContext): Promise<Omit<TickReport, 'fired'>> {
  if (page.schedules.length === 0) return { nextAtMs: page.nextDueAtMs, nowMs: page.nowMs }
  const unknown = new Set(page.schedules.map(({ name }) => name))
  const { schedules, nowMs } = await calls.schedules({ app: app.name })
  const dueAtMs = schedules.flatMap((stored) => (unknown.has(stored.name) ? [] : (stored.dueAtMs ?? [])))
  return { nextAtMs: dueAtMs.length === 0 ? null : Math.min(...dueAtMs), nowMs }
}

/** Shared by the schedules that are due, so that what one has missed neither fills the memory nor keeps others waiting. */
const MAX_ROUND_BYTES = 20_000_000

/** The schedules with few ticks come first. */
function toRound({ schedules, nowMs }: SchedulePage, context: PassContext): Firing[] {
  const maxBytes = MAX_ROUND_BYTES / schedules.length
  return schedules
    .map((stored) => toTicks(stored, nowMs, maxBytes, context))
    .sort((a, b) => a.length - b.length)
    .flat()
}

/** A tick, and how many due times it passes over, if it does. */
type Firing = Tick & { readonly dueAtMs: number; readonly missed?: number }

/** None of a schedule that this beat cannot fire and so must not advance. */
function toTicks(stored: StoredSchedule, nowMs: number, maxBytes: number, context: PassContext): Firing[] {
  const { app, onEvent, unknownSeen, aheadMs = 0 } = context
  const { name } = stored
  const schedule = fromDefinition(stored, app.schedules)
  let event: TqEvent = { kind: 'beat.unknown', schedule: name, task: schedule?.task ?? '' }
  try {
    if (schedule && app.tasks.has(schedule.task)) {
      // With a rule of overlap, whether a tick may fire is known at its due time.
      const untilMs = schedule.overlap ? nowMs : nowMs + aheadMs
      return ticksUntil(untilMs, schedule, stored, nowMs, maxBytes)
    }
  } catch (error) {
    // What a rule of the app's own does wrong must not keep others from being fired.
    if (schedule?.rule.kind !== 'custom') throw error
    event = { kind: 'beat.broken', schedule: name, reason: toError(error).message }
  }
  if (!unknownSeen.has(name)) onEvent?.(event)
  unknownSeen.add(name)
  return []
}

/** What is due by now as the schedule catches up, and one for each due time from then on. */
function ticksUntil(
  untilMs: number,
  schedule: Schedule,
  stored: StoredSchedule,
  nowMs: number,
  maxBytes: number,
): Firing[] {
  const { next, input, catchUp } = schedule
  const most = Math.ceil(maxBytes / (ENVELOPE_BYTES + input.length))
  const ticks: Firing[] = []
  let { dueAtMs } = stored
  if (catchUp && dueAtMs !== null && dueAtMs <= nowMs) {
    const nextDueAtMs = resumesAt(next, dueAtMs, nowMs, catchUp)
    if (nextDueAtMs !== dueAtMs) ticks.push(passOver(schedule, stored, dueAtMs, nextDueAtMs, nowMs))
    dueAtMs = nextDueAtMs
  }
  while (dueAtMs !== null && dueAtMs <= untilMs && ticks.length < most) {
    const tick = tickOf(schedule, stored, dueAtMs, catchUp ? dueAtMs : latestDue(next, dueAtMs, nowMs), nowMs)
    ticks.push(tick)
    dueAtMs = tick.nextDueAtMs
  }
  return ticks
}

const MAX_COUNTED = 1_000

/** From the stored due time to the next, without a job. */
function passOver(
  { name, next }: Schedule,
  { revision }: StoredSchedule,
  dueAtMs: number,
  nextDueAtMs: number | null,
  nowMs: number,
): Firing {
  const untilMs = Math.min(nowMs, (nextDueAtMs ?? nowMs + 1) - 1)
  const missed = 1 + dueAfter(next, dueAtMs, untilMs, MAX_COUNTED - 1).length
  return { schedule: name, revision, dueAtMs, nextDueAtMs, job: null, missed }
}

/** The compare-and-set is on the stored due time; the job is of the one that is fired, which may stand for it and others. */
function tickOf(schedule: Schedule, stored: StoredSchedule, dueAtMs: number, firedMs: number, nowMs: number): Firing {
  const { name, task, input, queue, priority, overlap, next } = schedule
  const nextDueAtMs = next(firedMs)
  const catchUp = firedMs > dueAtMs || (nextDueAtMs !== null && nextDueAtMs <= nowMs)
  const told: JobTick = { schedule: name, dueAtMs: firedMs, lateMs: Math.max(0, nowMs - firedMs), catchUp }
  return {
    schedule: name,
    revision: stored.revision,
    dueAtMs,
    nextDueAtMs,
    job: {
      id: tickJobId(name, stored.incarnation, firedMs),
      task,
      queue,
      input,
      priority,
      createdAtMs: nowMs,
      tick: told,
      ...(firedMs > nowMs ? { dueAtMs: firedMs } : {}),
    },
    ...(overlap ? { overlap } : {}),
  }
}

/** Says what was fired and counts it; `existing` is another beat's, or an own one whose first reply was lost. */
function tell(ticks: readonly Firing[], outcomes: readonly FireOutcome[], context: PassContext): number {
  return ticks.filter((tick, at) => tellOf(tick, outcomes[at], context)).length
}

/** True when the tick has become a job. */
function tellOf(tick: Firing, outcome: FireOutcome | undefined, { onEvent }: PassContext): boolean {
  const { schedule, nextDueAtMs, missed = 0, job } = tick
  const dueAtMs = job?.tick?.dueAtMs ?? tick.dueAtMs
  if (outcome === 'skipped') onEvent?.({ kind: 'beat.skipped', schedule, dueAtMs })
  if (outcome !== 'fired') return false
  if (!job) {
    onEvent?.({ kind: 'beat.missed', schedule, dueAtMs, nextDueAtMs, count: missed })
    return false
  }
  const { id, task, queue } = job
  onEvent?.({ kind: 'beat.fired', schedule, id, dueAtMs, lateMs: job.tick?.lateMs ?? 0 })
  onEvent?.({ kind: 'job.enqueued', id, task, queue, by: 'beat' })
  return true
}
