import { InvalidOption } from '../src/errors.ts'
import type { Schedule } from '../src/schedule.ts'
import type { Task } from '../src/task.ts'
import { parseDuration } from './duration.ts'
import { checkName, type ScheduleOptions, toSchedule } from './schedule.ts'

/** Below the first an interval is a mistake of units; above the second, of zeros. */
const MIN_EVERY_MS = 100
const MAX_EVERY_MS = 366 * 86_400_000

/**
 * A schedule by an interval: milliseconds, or a text such as `30s`, `5m`, `1h30m`.
 *
 * Aligned to the clock: every 5 minutes means at :00, :05, :10 of the hour in UTC, whenever it was deployed.
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
export function every<T extends Task>(name: string, interval: number | string, options: ScheduleOptions<T>): Schedule {
  checkName(name)
  const everyMs = toEveryMs(name, interval)
  return toSchedule(name, { kind: 'every', everyMs }, everyNext(name, everyMs), options)
}

/** The rule of when an interval is due next. Throws `InvalidOption` for an interval that cannot be. */
export function everyNext(name: string, interval: number): Schedule['next'] {
  const everyMs = toEveryMs(name, interval)
  return (afterMs) => (Math.floor(afterMs / everyMs) + 1) * everyMs
}

function toEveryMs(name: string, interval: number | string): number {
  const everyMs = typeof interval === 'string' ? parseDuration(interval) : interval
  if (everyMs !== null && Number.isInteger(everyMs) && everyMs >= MIN_EVERY_MS && everyMs <= MAX_EVERY_MS)
    return everyMs
  throw new InvalidOption(
    `interval of "${name}"`,
    'whole milliseconds or a text such as "30s", "5m", "1h30m" (units w d h m s ms), from 100 ms to 366 days',
    typeof interval === 'string' ? JSON.stringify(interval) : String(interval),
  )
}
