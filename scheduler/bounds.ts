import { InvalidOption } from '../src/errors.ts'
import type { Schedule, ScheduleBounds } from '../src/schedule.ts'
import { checkWhole } from '../src/whole.ts'
import { type Moment, toMs } from './moment.ts'

/** Options that every kind of schedule takes. */
export interface BoundOptions {
  /** Never due before this moment. */
  readonly startAt?: Moment | undefined
  /** Never due after this moment. */
  readonly endAt?: Moment | undefined
  /**
   * Ends after so many due times, at most 1,000, counted from `startAt`, which it needs: whether they were fired or missed, so
   * that it is the same in every process.
   */
  readonly maxRuns?: number | undefined
  /**
   * Moves every due time by 0 to `jitterMs`, always by the same, which follows from the schedule's name: so that many schedules
   * of one pattern are not due at once.
   */
  readonly jitterMs?: number | undefined
  /** False: stored, but never due. Default true. */
  readonly enabled?: boolean | undefined
}

const MAX_JITTER_MS = 86_400_000
/** Each is stepped through for each tick. */
const MAX_RUNS = 1_000

/** The same options are the same data. Throws `InvalidOption` for what cannot be. */
export function toBounds(
  name: string,
  { startAt, endAt, maxRuns, jitterMs = 0, enabled = true }: BoundOptions,
): ScheduleBounds {
  const startAtMs = startAt === undefined ? undefined : toMs(`startAt of "${name}"`, startAt)
  const endAtMs = endAt === undefined ? undefined : toMs(`endAt of "${name}"`, endAt)
  if (startAtMs !== undefined && endAtMs !== undefined && endAtMs < startAtMs)
    throw new InvalidOption(`endAt of "${name}"`, 'at or after its startAt', `${startAtMs - endAtMs} ms before it`)
  if (maxRuns !== undefined) checkWhole(`maxRuns of "${name}"`, maxRuns, 1, MAX_RUNS)
  if (maxRuns !== undefined && startAtMs === undefined)
    throw new InvalidOption(`startAt of "${name}"`, 'given with maxRuns, which counts from it', 'none')
  if (!(Number.isInteger(jitterMs) && jitterMs >= 0 && jitterMs <= MAX_JITTER_MS))
    throw new InvalidOption(`jitterMs of "${name}"`, 'whole milliseconds, at most a day', String(jitterMs))
  return { startAtMs, endAtMs, maxRuns, jitterMs: jitterMs || undefined, enabled: enabled ? undefined : false }
}

/** A rule within its bounds, which are those of what it was before its jitter. */
export function within(name: string, bounds: ScheduleBounds, next: Schedule['next']): Schedule['next'] {
  if (isFree(bounds)) return next
  const { startAtMs = Number.NEGATIVE_INFINITY, enabled = true } = bounds
  const laterMs = jitterOf(name, bounds)
  let endMs: number | undefined
  return (afterMs) => {
    const dueAtMs = enabled ? next(Math.max(afterMs - laterMs, startAtMs - 1)) : null
    if (dueAtMs === null) return null
    endMs ??= endOf(bounds, next)
    return dueAtMs > endMs ? null : dueAtMs + laterMs
  }
}

/** Of a hundred thousand schedules most are: each closure that they do without counts. */
function isFree({ startAtMs, endAtMs, maxRuns, jitterMs, enabled }: ScheduleBounds): boolean {
  return [startAtMs, endAtMs, maxRuns, jitterMs, enabled].every((bound) => bound === undefined)
}

/** Its end, or its last run where that is earlier. */
function endOf(
  { startAtMs = 0, endAtMs = Number.POSITIVE_INFINITY, maxRuns = 0 }: ScheduleBounds,
  next: Schedule['next'],
): number {
  let lastMs: number | null = maxRuns === 0 ? endAtMs : startAtMs - 1
  for (let run = 0; run < maxRuns && lastMs !== null; run++) lastMs = next(lastMs)
  return Math.min(lastMs ?? endAtMs, endAtMs)
}

/** How much later it is due for its name: spread evenly by FNV-1a, and the same in every process. */
export function jitterOf(name: string, { jitterMs = 0 }: ScheduleBounds): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193)
  return (hash >>> 0) % (jitterMs + 1)
}
