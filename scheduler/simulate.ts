/** What would be fired in a period, and why, without a broker: by the rules that a beat goes by. */
import { toError } from '../src/errors.ts'
import type { Schedule } from '../src/schedule.ts'
import { resumesAt } from './catch-up.ts'
import { isAppsRule } from './definition.ts'
import { dueAfter } from './due-after.ts'
import { latestDue } from './latest.ts'
import { reasonOf, toReason } from './reason.ts'

/** From the one moment to just before the other. */
export interface Period {
  readonly fromMs: number
  readonly untilMs: number
}

export interface SimulateOptions extends Period {
  /** In which no beat runs: in order, and apart from each other. */
  readonly down?: readonly Period[]
  /** The first so many ticks, of all schedules together. */
  readonly most: number
}

export interface SimulatedTick {
  readonly schedule: string
  readonly dueAtMs: number
  readonly reason: string
}

export interface Simulation {
  /** In due order. */
  readonly ticks: readonly SimulatedTick[]
  /** Whether there are more than the most. */
  readonly cut: boolean
  /** Rules of the app's own that have thrown, or have not gone forward. */
  readonly broken: readonly { readonly schedule: string; readonly reason: string }[]
}

export function simulate(schedules: readonly Schedule[], options: SimulateOptions): Simulation {
  const { most } = options
  const broken: Simulation['broken'][number][] = []
  let firings: Firing[] = []
  let cut = false
  let { untilMs } = options

  /** What comes after the most of them need not be looked for in the schedules that follow. */
  function keepEarliest(): void {
    firings.sort((a, b) => a.dueAtMs - b.dueAtMs)
    cut ||= firings.length > most
    firings = firings.slice(0, most)
    if (cut) untilMs = Math.min(untilMs, (firings.at(-1)?.dueAtMs ?? 0) + 1)
  }

  for (const schedule of schedules)
    try {
      for (const firing of firedBy(schedule, options)) {
        if (firing.dueAtMs >= untilMs) break
        firings.push(firing)
        if (firings.length >= 2 * most) keepEarliest()
      }
    } catch (error) {
      if (!isAppsRule(schedule.rule)) throw error
      broken.push({ schedule: schedule.name, reason: toError(error).message })
    }
  keepEarliest()
  return { ticks: firings.map(toTick), cut, broken }
}

/** What becomes a tick once it is known to be among the first: why it is due takes longer to say than when. */
interface Firing {
  readonly schedule: Schedule
  readonly dueAtMs: number
  /** Besides those of the rule. */
  readonly reasons: readonly (string | false)[]
}

function toTick({ schedule, dueAtMs, reasons }: Firing): SimulatedTick {
  return { schedule: schedule.name, dueAtMs, reason: toReason([reasonOf(schedule, dueAtMs), ...reasons]) }
}

function* firedBy(schedule: Schedule, { fromMs, untilMs, down = [] }: SimulateOptions): Generator<Firing> {
  const { next } = schedule
  const align = isUnanchored(schedule) && 'align: counted from the start of the simulation'
  let leftOut: string | false = false
  // What is counted from when it was first stored is stored just then.
  let dueAtMs = next(align ? fromMs : fromMs - 1)
  while (dueAtMs !== null && dueAtMs < untilMs) {
    const firstMs = dueAtMs
    const outage = down.find((period) => period.fromMs <= firstMs && firstMs < period.untilMs)
    const nowMs = outage?.untilMs ?? firstMs
    const caught: CaughtUp = outage
      ? catchUpOf(schedule, firstMs, nowMs)
      : { fired: [{ dueAtMs, reason: false }], leftOut }
    // As a beat does: a rule that cannot tell what comes next is not fired.
    const nextDueAtMs: number | null = next(nowMs)
    leftOut = caught.leftOut
    for (const tick of caught.fired) {
      if (tick.dueAtMs >= untilMs) return
      yield { schedule, dueAtMs: tick.dueAtMs, reasons: [align, tick.reason, leftOut] }
      leftOut = false
    }
    dueAtMs = nextDueAtMs
  }
}

interface CaughtUp {
  readonly fired: readonly { readonly dueAtMs: number; readonly reason: string | false }[]
  /** Told with the tick that follows. */
  readonly leftOut: string | false
}

/** What the first pass after an outage makes of the due times from `firstMs` to `nowMs`. */
function catchUpOf({ next, catchUp }: Schedule, firstMs: number, nowMs: number): CaughtUp {
  const late = (dueAtMs: number) => (dueAtMs < nowMs ? `fired ${(nowMs - dueAtMs) / 1_000} s late` : 'fired in time')
  if (!catchUp) {
    const dueAtMs = latestDue(next, firstMs, nowMs)
    const standsFor = dueAtMs > firstMs ? `, one job for ${countFrom(next, firstMs, dueAtMs)} due times` : ''
    return { fired: [{ dueAtMs, reason: `catch-up: ${late(dueAtMs)}${standsFor}` }], leftOut: false }
  }
  const resumedMs = resumesAt(next, firstMs, nowMs, catchUp) ?? Number.POSITIVE_INFINITY
  const due = resumedMs <= nowMs ? [resumedMs, ...dueAfter(next, resumedMs, nowMs, catchUp.maxRuns)] : []
  const left = Math.min(resumedMs - 1, nowMs)
  return {
    fired: due.map((dueAtMs) => ({ dueAtMs, reason: `catch-up: ${late(dueAtMs)}` })),
    leftOut: resumedMs > firstMs && `catch-up: ${countFrom(next, firstMs, left)} before it left out`,
  }
}

const MAX_COUNTED = 1_000

function countFrom(next: Schedule['next'], firstMs: number, untilMs: number): string {
  const count = 1 + dueAfter(next, firstMs, untilMs, MAX_COUNTED - 1).length
  return count < MAX_COUNTED ? String(count) : `${MAX_COUNTED} or more`
}

/** Only a broker knows when it was first stored. */
function isUnanchored({ rule }: Schedule): boolean {
  return rule.kind === 'every' && rule.align === 'first' && rule.startAtMs === undefined
}
