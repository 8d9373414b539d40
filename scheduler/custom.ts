import { InvalidOption } from '../src/errors.ts'
import type { Schedule } from '../src/schedule.ts'
import type { Task } from '../src/task.ts'
import { toBounds } from './bounds.ts'
import { checkName, type ScheduleOptions, toSchedule } from './schedule.ts'

/** A rule of your own. */
export interface CustomRule {
  /** The first due time after `afterMs`, both milliseconds since the epoch; null when there is none any more. Always the same. */
  next(afterMs: number): number | null
}

export type CustomOptions<T extends Task = Task> = ScheduleOptions<T> & {
  /** A whole number; raise it when the rule's code has changed, so that it is due next by the new code. */
  readonly version?: number | undefined
}

/**
 * A schedule by a rule of your own: anything that can tell the first due time after a moment.
 *
 * A broker stores its name and version, not its code: a beat whose app does not declare both leaves it alone. A rule that throws, or
 * answers with what is not after the moment asked for, is not fired, and told as the event `beat.broken`; other schedules go on.
 * Throws `InvalidOption` for a name or a version that cannot be, `InvalidInput` for an input that the task's schema refuses.
 *
 * @example
 * ```ts
 * import { defineTask } from 'tq-edge'
 * import { custom } from 'tq-edge/scheduler'
 *
 * const FULL_MOON_MS = Date.parse('2026-01-03T10:03Z')
 * const MONTH_MS = 29.530588 * 86_400_000
 * const fullMoon = {
 *   next: (afterMs: number) =>
 *     Math.round(FULL_MOON_MS + (Math.floor((afterMs - FULL_MOON_MS) / MONTH_MS) + 1) * MONTH_MS),
 * }
 * const howl = defineTask({ name: 'howl', run: () => 'ahoo' })
 * const schedule = custom('moon', fullMoon, { task: howl })
 * console.log(new Date(schedule.next(FULL_MOON_MS) ?? 0).toISOString().slice(0, 10)) // 2026-02-01
 * ```
 */
export function custom<T extends Task>(name: string, rule: CustomRule, options: CustomOptions<T>): Schedule {
  checkName(name)
  const { version } = options
  if (version !== undefined && !Number.isSafeInteger(version))
    throw new InvalidOption(`version of "${name}"`, 'a whole number', String(version))
  return toSchedule(name, { kind: 'custom', version, ...toBounds(name, options) }, guarded(name, rule), options)
}

/** What breaks its promise is refused here, before it can bring a beat to fire for ever. */
function guarded(name: string, rule: CustomRule): Schedule['next'] {
  return (afterMs) => {
    const dueAtMs = rule.next(afterMs)
    if (dueAtMs === null || (Number.isSafeInteger(dueAtMs) && dueAtMs > afterMs)) return dueAtMs
    throw new InvalidOption(`next(${afterMs}) of "${name}"`, 'whole milliseconds after it, or null', String(dueAtMs))
  }
}
