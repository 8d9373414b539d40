/** What there is to fire of schedules that are due. */
import type { App } from '../src/app.ts'
import type { SchedulePage, StoredSchedule } from '../src/broker.ts'
import { toError } from '../src/errors.ts'
import type { OnEvent, TqEvent } from '../src/events.ts'
import { type JobTick, tickJobId } from '../src/job.ts'
import type { Schedule } from '../src/schedule.ts'
import { ENVELOPE_BYTES } from './calls.ts'
import { resumesAt } from './catch-up.ts'
import { fromDefinition, isAppsRule } from './definition.ts'
import { dueAfter } from './due-after.ts'
import { latestDue } from './latest.ts'
import type { DueTick } from './passed.ts'

/** What it is fired for. */
export interface FiringContext {
  readonly app: App
  readonly onEvent?: OnEvent | undefined
  /** Names of the schedules that were said to be unknown or broken: once per beat. */
  readonly unknownSeen: Set<string>
  /** A beat that is there in time does not look ahead. */
  readonly aheadMs?: number
}

/** Shared by the schedules that are due, so that what one has missed neither fills the memory nor keeps others waiting. */
const MAX_ROUND_BYTES = 20_000_000

/** The schedules with few ticks come first. */
export function toRound({ schedules, nowMs }: SchedulePage, context: FiringContext): Firing[] {
  const maxBytes = MAX_ROUND_BYTES / schedules.length
  return schedules
    .map((stored) => toTicks(stored, nowMs, maxBytes, context))
    .sort((a, b) => a.length - b.length)
    .flat()
}

/** A tick, and how many due times it passes over, if it does. */
export type Firing = DueTick & { readonly missed?: number }

/** None of a schedule that this beat cannot fire and so must not advance; of one whose own code fails, those before. */
function toTicks(stored: StoredSchedule, nowMs: number, maxBytes: number, context: FiringContext): Firing[] {
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
