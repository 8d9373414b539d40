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
  type BeatPresence,
  type Broker,
  type FireOutcome,
  MAX_AHEAD_MS,
  type SchedulePage,
  type StoredSchedule,
} from '../src/broker.ts'
import { type Clock, systemClock } from '../src/clock.ts'
import { InvalidOption, toError } from '../src/errors.ts'
import { type OnEvent, type TqEvent, withoutThrowing } from '../src/events.ts'
import { type JobTick, tickJobId } from '../src/job.ts'
import type { Schedule } from '../src/schedule.ts'
import { type Calls, createCalls, ENVELOPE_BYTES } from './calls.ts'
import { resumesAt } from './catch-up.ts'
import { fromDefinition, isAppsRule } from './definition.ts'
import { dueAfter } from './due-after.ts'
import { latestDue } from './latest.ts'
import { createPassed, type DueTick, type Passed } from './passed.ts'
import { createPings, type Fetch, type Pings } from './pings.ts'

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
  /** What tells that a beat was there, in `tq schedules --json`; all passes of one name are one beat there. Default `pass`. */
  readonly name?: string | undefined
  /** What it runs on, shown beside the name. */
  readonly runtime?: string | undefined
  /** Whether it leaves word that a beat was there, which is one command where they are billed. Default true. */
  readonly presence?: boolean | undefined
  /** How late a schedule is fired at most without the event `beat.late`. Default 90,000. */
  readonly lateAfterMs?: number | undefined
  /** Sends the pings of schedules with a `pingUrl`. Default the platform's own. */
  readonly fetch?: Fetch | undefined
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
  name = 'pass',
  runtime = 'unknown',
  lateAfterMs,
  ...given
}: TickOptions): Promise<TickReport> {
  const onEvent = withoutThrowing(given.onEvent)
  checkAhead(aheadMs)
  const calls = createCalls(broker, { clock, random, onEvent })
  const pings = createPings({ clock, onEvent, fetch: given.fetch })
  const self = { beat: name, app: app.name, runtime, startedAtMs: clock.now() }
  const presence = given.presence === false ? undefined : self
  try {
    return await pass({ app, calls, clock, onEvent, unknownSeen: new Set(), aheadMs, lateAfterMs, pings }, presence)
  } finally {
    await pings.ended(PINGS_MS)
  }
}

/** A pass ends 5 s later at the latest. */
const PINGS_MS = 5_000

function checkAhead(aheadMs: number): void {
  if (!(Number.isInteger(aheadMs) && aheadMs >= 0 && aheadMs <= MAX_AHEAD_MS))
    throw new InvalidOption('aheadMs', `whole milliseconds from 0 to ${MAX_AHEAD_MS}`, String(aheadMs))
}

/** What passes of one beat share. */
export interface PassContext {
  readonly app: App
  readonly calls: Calls
  /** Of which only how time passes is asked: what it is now the broker says. */
  readonly clock: Clock
  readonly onEvent?: OnEvent | undefined
  /** Names of the schedules that were said to be unknown or broken: once per beat. */
  readonly unknownSeen: Set<string>
  /** A beat that is there in time does not look ahead. */
  readonly aheadMs?: number
  /** Where a pass begins: behind whole pages of what stays due, so that not every pass goes through them. */
  behind?: { readonly cursor: string; readonly untilMs: number } | undefined
  readonly lateAfterMs?: number | undefined
  readonly pings?: Pings | undefined
}

/** How often one pass fires, and so looks again: at what has changed under it, and at what fell due meanwhile. */
const MAX_ROUNDS = 5
/** How many pages one pass looks at for something to fire. */
const MAX_PAGES = 25
/** After so long what was passed over as staying due is looked at again: it may have changed. */
const BEHIND_MS = 30_000

/** A tick whose queue is full stays due; until it is tried again. */
const FULL_PAUSE_MS = 1_000

/** Goes through the pages of what is due, and begins anew after the last one for as long as that has something to fire. */
export async function pass(context: PassContext, presence?: BeatPresence): Promise<TickReport> {
  const passed = createPassed(context)
  try {
    return await goThroughPages(context, passed, presence)
  } finally {
    passed.end()
  }
}

async function goThroughPages(context: PassContext, passed: Passed, presence?: BeatPresence): Promise<TickReport> {
  const { app, calls, clock, aheadMs = 0 } = context
  let cursor = context.behind?.cursor
  let [fired, rounds, hasMoved, isFull] = [0, 0, false, false]
  for (let pages = 1; ; pages++) {
    const said = presence && pages === 1 ? { presence } : {}
    const page = await calls.schedules({ due: true, app: app.name, aheadMs, ...(cursor && { cursor }), ...said })
    const { nowMs, nextDueAtMs } = page
    const readAtMs = clock.monotonic()
    const ticks = toRound(page, context)
    const outcomes = await calls.fire(ticks)
    fired += tell(ticks, outcomes, context)
    passed.note(page.schedules, ticks, outcomes)
    const known = pages === 1 && cursor === undefined ? nextKnown(page, ticks, outcomes) : undefined
    const laterMs = nowMs + Math.round(clock.monotonic() - readAtMs)
    if (known !== undefined && (known === null || known > laterMs + aheadMs))
      return { fired, nextAtMs: known, nowMs: laterMs }
    if (isStuck(outcomes)) isFull = true
    else if (ticks.length > 0) [hasMoved, rounds] = [true, rounds + 1]
    if (!hasMoved && !isFull) passOverPage(page, context)
    // Schedules of full queues wait; the others do not wait for them.
    const nextAtMs = earlier(nextDueAtMs, isFull ? nowMs + FULL_PAUSE_MS : null)
    if (page.cursor === null && !hasMoved) return { fired, nextAtMs, nowMs }
    if (rounds === MAX_ROUNDS) return { fired, nextAtMs: nowMs, nowMs }
    if (pages === MAX_PAGES) return { fired, nextAtMs: hasMoved ? nowMs : nextAtMs, nowMs }
    cursor = page.cursor ?? context.behind?.cursor
    if (page.cursor === null) [hasMoved, isFull] = [false, false]
  }
}

/**
 * When it goes on after a page that held all that was due and of which all that there was to fire was fired: what is not in the page
 * the page tells, what is in it the ticks. Undefined where only another look can tell.
 */
function nextKnown(
  { cursor, nextDueAtMs }: SchedulePage,
  ticks: readonly Firing[],
  outcomes: readonly FireOutcome[],
): number | null | undefined {
  const isKnown = cursor === null && ticks.length > 0
  if (!isKnown || !outcomes.every((outcome) => outcome === 'fired' || outcome === 'skipped')) return undefined
  const last = new Map(ticks.map((tick) => [tick.schedule, tick.nextDueAtMs]))
  return [...last.values()].reduce((next, dueAtMs) => earlier(next, dueAtMs), nextDueAtMs)
}

function earlier(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b)
}

/** What follows a tick of a full queue has moved with it. */
function isStuck(outcomes: readonly FireOutcome[]): boolean {
  return outcomes.includes('full') && outcomes.every((outcome) => outcome === 'full' || outcome === 'moved')
}

/** Nothing up to here can be fired by this beat: other passes begin behind it for a while. */
function passOverPage({ cursor, nowMs }: SchedulePage, context: PassContext): void {
  const untilMs = context.behind?.untilMs ?? nowMs + BEHIND_MS
  if (untilMs <= nowMs) context.behind = undefined
  else if (cursor !== null) context.behind = { cursor, untilMs }
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
type Firing = DueTick & { readonly missed?: number }

/** None of a schedule that this beat cannot fire and so must not advance; of one whose own code fails, those before. */
function toTicks(stored: StoredSchedule, nowMs: number, maxBytes: number, context: PassContext): Firing[] {
  const { app, onEvent, unknownSeen, aheadMs = 0 } = context
  const { name } = stored
  const schedule = fromDefinition(stored, app.schedules)
  let event: TqEvent = { kind: 'beat.unknown', schedule: name, task: schedule?.task ?? '' }
  const ticks: Firing[] = []
  try {
    if (schedule && app.tasks.has(schedule.task)) {
      // With a rule of overlap, whether a tick may fire is known at its due time.
      const untilMs = schedule.overlap ? nowMs : nowMs + aheadMs
      for (const tick of ticksUntil(untilMs, schedule, stored, nowMs, maxBytes)) ticks.push(tick)
      return ticks
    }
  } catch (error) {
    // What code of the app's own does wrong must not keep others from being fired.
    if (!schedule || !hasOwnCode(schedule)) throw error
    event = { kind: 'beat.broken', schedule: name, reason: toError(error).message }
  }
  if (!unknownSeen.has(name)) onEvent?.(event)
  unknownSeen.add(name)
  return ticks
}

function hasOwnCode({ rule, inputOf }: Schedule): boolean {
  return isAppsRule(rule) || inputOf !== undefined
}

/** What is due by now as the schedule catches up, and one for each due time from then on. */
function* ticksUntil(
  untilMs: number,
  schedule: Schedule,
  stored: StoredSchedule,
  nowMs: number,
  maxBytes: number,
): Generator<Firing> {
  const { next, catchUp } = schedule
  let bytes = 0
  let { dueAtMs } = stored
  if (catchUp && dueAtMs !== null && dueAtMs <= nowMs) {
    const nextDueAtMs = resumesAt(next, dueAtMs, nowMs, catchUp)
    if (nextDueAtMs !== dueAtMs) {
      yield passOver(schedule, stored, dueAtMs, nextDueAtMs, nowMs)
      bytes += ENVELOPE_BYTES
    }
    dueAtMs = nextDueAtMs
  }
  while (dueAtMs !== null && dueAtMs <= untilMs && bytes < maxBytes) {
    const tick = tickOf(schedule, stored, dueAtMs, catchUp ? dueAtMs : latestDue(next, dueAtMs, nowMs), nowMs)
    yield tick
    bytes += ENVELOPE_BYTES + (tick.job?.input.length ?? 0)
    dueAtMs = tick.nextDueAtMs
  }
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
  const { name, task, input, inputOf, queue, priority, overlap, next } = schedule
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
      input: inputOf ? inputOf(told) : input,
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
