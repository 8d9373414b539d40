/**
 * Firing what is due. Whoever wakes first fires: any number of beats may do this at once.
 *
 * Each tick is a compare-and-set on the schedule's stored due time, with the tick's job enqueued in the same step, so a due
 * time becomes a job once, however many beats race and however often a call is sent. `now` is the broker's: a beat whose
 * own clock is wrong neither fires early nor twice.
 *
 * @module
 */
import type { BeatPresence, FireOutcome, SchedulePage } from '../src/broker.ts'
import type { Clock } from '../src/clock.ts'
import type { Calls } from './calls.ts'
import { type Firing, type FiringContext, toRound } from './firing.ts'
import { createPassed, type Passed } from './passed.ts'
import type { Pings } from './pings.ts'

export interface TickReport {
  /** Ticks that this pass is known to have fired, also ahead of time. One whose reply was lost is fired, but not counted. */
  readonly fired: number
  /** The next due time that is not fired yet, of the schedules that this app can fire; null when there is none. */
  readonly nextAtMs: number | null
  /** The broker's time at the end of the pass. */
  readonly nowMs: number
}

/** What passes of one beat share. */
export interface PassContext extends FiringContext {
  readonly calls: Calls
  /** Of which only how time passes is asked: what it is now the broker says. */
  readonly clock: Clock
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
