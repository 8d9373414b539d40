import { InvalidOption } from '../src/errors.ts'
import type { Schedule, ScheduleRule } from '../src/schedule.ts'
import type { Task } from '../src/task.ts'
import { toBounds } from './bounds.ts'
import { parseDuration } from './duration.ts'
import { checkName, type ScheduleOptions, toSchedule } from './schedule.ts'

/** Below the first an interval is a mistake of units; above the second, of zeros. */
const MIN_EVERY_MS = 100
const MAX_EVERY_MS = 366 * 86_400_000

export type EveryOptions<T extends Task = Task> = ScheduleOptions<T> & {
  /**
   * `clock`: due at multiples of the interval since 1970 in UTC, whenever it was stored. `first`: counted from `startAt`, which is
   * the first, or from when it was first stored. Default `clock`.
   */
  readonly align?: 'clock' | 'first' | undefined
}

/**
 * A schedule by an interval: milliseconds, or a text such as `30s`, `5m`, `1h30m`, or as `PT30S`, `P1DT12H`.
 *
 * Aligned to the clock: every 5 minutes means at :00, :05, :10 of the hour in UTC, whenever it was deployed. It counts elapsed time:
 * no zone changes it.
 * Throws `InvalidOption` for an interval that cannot be, `InvalidInput` for an input that the task's schema refuses.
 *
 * @example
 * ```ts
 * import { defineTask } from 'tq-edge'
 * import { every } from 'tq-edge/scheduler'
 *
 * const check = defineTask({ name: 'check', run: () => 'ok' })
 * const schedule = every('urls', '5m', { task: check })
 * const afterMs = Date.parse('2026-01-09T12:03:07Z')
 * console.log(new Date(schedule.next(afterMs) ?? 0).toISOString()) // 2026-01-09T12:05:00.000Z
 * ```
 */
export function every<T extends Task>(name: string, interval: number | string, options: EveryOptions<T>): Schedule {
  checkName(name)
  const { align = 'clock' } = options
  if (align !== 'clock' && align !== 'first')
    throw new InvalidOption(`align of "${name}"`, '"clock" or "first"', JSON.stringify(align))
  const rule: EveryRule = {
    kind: 'every',
    everyMs: toEveryMs(name, interval),
    align: align === 'first' ? align : undefined,
    ...toBounds(name, options),
  }
  return toSchedule(name, rule, everyNext(name, rule), options)
}

type EveryRule = Extract<ScheduleRule, { kind: 'every' }>

/**
 * The rule of when an interval is due next. Where nothing tells the first due time, it is an interval after the moment asked for;
 * `dueAtMs` is any due time that it has had. Throws `InvalidOption` for an interval that cannot be.
 */
export function everyNext(
  name: string,
  { everyMs: interval, align, startAtMs }: EveryRule,
  dueAtMs?: number,
): Schedule['next'] {
  const everyMs = toEveryMs(name, interval)
  const anchorMs = align === 'first' ? (startAtMs ?? dueAtMs) : 0
  return (afterMs) => {
    const fromMs = anchorMs ?? afterMs
    return fromMs + (Math.floor((afterMs - fromMs) / everyMs) + 1) * everyMs
  }
}

function toEveryMs(name: string, interval: number | string): number {
  const everyMs = typeof interval === 'string' ? parseDuration(interval) : interval
  if (everyMs !== null && Number.isInteger(everyMs) && everyMs >= MIN_EVERY_MS && everyMs <= MAX_EVERY_MS)
    return everyMs
  throw new InvalidOption(
    `interval of "${name}"`,
    'whole milliseconds or a text such as "30s", "5m", "1h30m" (units w d h m s ms) or "PT30S" (without years and months), from 100 ms to 366 days',
    typeof interval === 'string' ? JSON.stringify(interval) : String(interval),
  )
}
