import { Cron } from 'croner'
import { InvalidOption, toError } from '../src/errors.ts'
import type { Schedule } from '../src/schedule.ts'
import type { Task } from '../src/task.ts'
import { checkName, type ScheduleOptions, toSchedule } from './schedule.ts'

export type CronOptions<T extends Task = Task> = ScheduleOptions<T> & {
  /** An IANA time zone such as `Europe/Oslo`. Default `UTC`. */
  readonly timezone?: string | undefined
}

/**
 * A schedule by a cron pattern: five fields, or six with seconds before them, or seven with a year behind them.
 *
 * Throws `InvalidOption` for a pattern or a time zone that cannot be, `InvalidInput` for an input that the task's schema refuses.
 *
 * @example
 * ```ts
 * import { defineTask } from 'tq-edge'
 * import { cron } from 'tq-edge/scheduler'
 *
 * const digest = defineTask({ name: 'digest', run: () => 'sent' })
 * const schedule = cron('morning', '0 7 * * 1-5', { task: digest, timezone: 'Europe/Oslo' })
 * const afterMs = Date.parse('2026-01-09T12:00:00Z') // a Friday
 * console.log(new Date(schedule.next(afterMs) ?? 0).toISOString()) // 2026-01-12T06:00:00.000Z
 * ```
 */
export function cron<T extends Task>(name: string, pattern: string, options: CronOptions<T>): Schedule {
  const { timezone = 'UTC' } = options
  checkName(name)
  return toSchedule(name, { kind: 'cron', pattern, timezone }, cronNext(name, pattern, timezone), options)
}

/** The rule of when a pattern is due next. Throws `InvalidOption` for a pattern or a zone that cannot be. */
export function cronNext(name: string, pattern: string, timezone: string): Schedule['next'] {
  instanceOf(name, pattern, timezone)
  return (afterMs) => dueAfter(instanceOf(name, pattern, timezone), afterMs)
}

function dueAfter(instance: Cron, afterMs: number): number | null {
  return instance.nextRun(new Date(afterMs))?.getTime() ?? null
}

/** An instance weighs 83 kB and is the same for every schedule of its pattern and zone; the oldest go first. */
const instances = new Map<string, Cron>()
const MAX_INSTANCES = 200

function instanceOf(name: string, pattern: string, timezone: string): Cron {
  const key = `${timezone} ${pattern}`
  const known = instances.get(key)
  if (known) return known
  checkZone(name, timezone)
  const instance = parsePattern(name, pattern, timezone)
  for (const oldest of instances.keys()) if (instances.size >= MAX_INSTANCES) instances.delete(oldest)
  instances.set(key, instance)
  return instance
}

/** Croner sees a wrong zone only when it is asked for a time, and some runtimes also take offsets, which others do not. */
function checkZone(name: string, timezone: string): void {
  const error = new InvalidOption(
    `timezone of "${name}"`,
    'an IANA time zone such as "Europe/Oslo"',
    JSON.stringify(timezone),
  )
  if (!/^[a-z]/i.test(timezone)) throw error
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch {
    throw error
  }
}

const FORM =
  'five fields (minute hour day month weekday), with seconds before or seconds and a year around them, or @hourly, @daily, @weekly, @monthly, @yearly'

function parsePattern(name: string, pattern: string, timezone: string): Cron {
  const refusal = (found: string) =>
    new InvalidOption(`pattern of "${name}"`, FORM, `${JSON.stringify(pattern)} (${found})`)
  // Croner would take a date and time for a schedule that is due once.
  if (/^\s*\d{4}-/.test(pattern)) throw refusal('a date')
  const instance = construct(pattern, timezone, refusal)
  if (dueAfter(instance, 0) === null) throw refusal('never due')
  return instance
}

function construct(pattern: string, timezone: string, refusal: (found: string) => Error): Cron {
  try {
    return new Cron(pattern, { timezone, fixedTimeRule: 'no-wildcard' })
  } catch (thrown) {
    throw refusal(toError(thrown).message.replace(/^CronPattern: /, ''))
  }
}
