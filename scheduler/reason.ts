/**
 * Why a schedule is due when it is: for people who look ahead, never for firing.
 *
 * A reason is a text whose first word names its kind: `plain`, `dst`, `jitter`, `bounds`, `align`, `catch-up`; several are
 * joined by `; `.
 *
 * @module
 */
import type { Schedule as DeclaredSchedule, ScheduleRule } from '../src/schedule.ts'
import { jitterOf } from './bounds.ts'
import { cronNext, isEveryHour } from './cron.ts'
import { dueAfter } from './due-after.ts'
import { changeBetween, DAY_MS, type OffsetAt, zoneOffset } from './zone.ts'

/** What tells when it is due, whoever makes its jobs. */
type Schedule = Pick<DeclaredSchedule, 'name' | 'rule' | 'next'>

/** Why it is due at `dueAtMs`, which must be a due time of it. */
export function reasonOf(schedule: Schedule, dueAtMs: number): string {
  const { name, rule } = schedule
  const laterMs = jitterOf(name, rule)
  return toReason([
    clockReason(schedule, dueAtMs - laterMs, laterMs),
    laterMs > 0 && `jitter: ${laterMs / 1_000} s later`,
    ...boundsReasons(schedule, dueAtMs),
  ])
}

/** Those that there are, as one text. */
export function toReason(reasons: readonly (string | false)[]): string {
  return reasons.filter((reason) => reason && reason !== PLAIN).join('; ') || PLAIN
}

const PLAIN = 'plain'

/** What a change of the clocks has to do with it: `atMs` is its due time before its jitter. */
function clockReason(schedule: Schedule, atMs: number, laterMs: number): string | false {
  const { name, rule } = schedule
  if (!('timezone' in rule)) return false
  const offsetAt = zoneOffset(name, rule.timezone)
  const gap = rule.kind === 'cron' && gapReason(name, rule, offsetAt, atMs)
  return gap || twiceReason(schedule, offsetAt, atMs, laterMs)
}

type CronRule = Extract<ScheduleRule, { kind: 'cron' }>

/** The wall times that the clocks skip here are those of the same pattern where no clock is ever changed. */
function gapReason(name: string, rule: CronRule, offsetAt: OffsetAt, atMs: number): string | false {
  const [fromMs, untilMs] = [atMs + offsetAt(atMs - 1), atMs + offsetAt(atMs)]
  if (untilMs <= fromMs || isEveryHour(rule.pattern)) return false
  const [first, second] = dueAfter(cronNext(name, rule.pattern, 'UTC'), fromMs - 1, untilMs - 1, 2)
  if (first === undefined) return false
  const skipped = second === undefined ? `${toClock(first)} is` : `${toClock(first)} and others are`
  return `dst: ${skipped} skipped, due at the end of the gap`
}

/** Within a day of when the clocks are put back they show some wall times twice. */
function twiceReason({ next }: Schedule, offsetAt: OffsetAt, atMs: number, laterMs: number): string | false {
  const wallMs = atMs + offsetAt(atMs)
  const isDueAt = (ms: number) => next(ms + laterMs - 1) === ms + laterMs
  for (const otherMs of [secondShown(offsetAt, atMs), firstOfTwo(offsetAt, atMs)]) {
    if (otherMs === null) continue
    if (isDueAt(otherMs)) return `dst: ${toClock(wallMs)} comes twice, due both times`
    return `dst: ${toClock(wallMs)} comes twice, due the ${otherMs > atMs ? 'first' : 'second'} time alone`
  }
  return false
}

/** When the clocks show the same again; null when they do not. */
function secondShown(offsetAt: OffsetAt, atMs: number): number | null {
  const changeMs = changeBetween(offsetAt, atMs, atMs + DAY_MS)
  if (changeMs === null) return null
  const againMs = atMs + offsetAt(atMs) - offsetAt(changeMs)
  return againMs >= changeMs ? againMs : null
}

/** When the clocks showed the same before; null when they did not. */
function firstOfTwo(offsetAt: OffsetAt, atMs: number): number | null {
  const changeMs = changeBetween(offsetAt, atMs - DAY_MS, atMs)
  if (changeMs === null) return null
  const beforeMs = atMs + offsetAt(atMs) - offsetAt(changeMs - 1)
  return beforeMs < changeMs ? beforeMs : null
}

function boundsReasons({ rule, next }: Schedule, dueAtMs: number): (string | false)[] {
  const { startAtMs, endAtMs, maxRuns } = rule
  const ends = [endAtMs !== undefined && 'endAt', maxRuns !== undefined && 'maxRuns'].filter(Boolean)
  return [
    startAtMs !== undefined && next(startAtMs - 1) === dueAtMs && 'bounds: the first from startAt on',
    ends.length > 0 && next(dueAtMs) === null && `bounds: the last, by ${ends.join(' or ')}`,
  ]
}

/** What the clocks show: `02:30`, or `02:30:10`. */
function toClock(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(11, 19).replace(/:00$/, '')
}
