import { Cron, CronPattern } from 'croner'
import { InvalidOption, toError } from '../src/errors.ts'
import type { Schedule } from '../src/schedule.ts'
import type { Task } from '../src/task.ts'
import { toBounds } from './bounds.ts'
import { recall } from './recall.ts'
import { checkName, type ScheduleOptions, toSchedule } from './schedule.ts'
import { type Calendar, onceEach, wheneverShown } from './wall.ts'
import { zoneOffset } from './zone.ts'

export type CronOptions<T extends Task = Task> = ScheduleOptions<T> & {
  /** An IANA time zone such as `Europe/Oslo`. Default: that of a prefix such as `CRON_TZ=Europe/Oslo`, or `UTC`. */
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
  checkName(name)
  const rule = { kind: 'cron', ...splitZone(name, pattern, options.timezone), ...toBounds(name, options) } as const
  return toSchedule(name, rule, cronNext(name, rule.pattern, rule.timezone), options)
}

/** As other crons write it: `CRON_TZ=Europe/Oslo 0 7 * * *`, or `TZ=`. */
function splitZone(name: string, text: string, given?: string): { pattern: string; timezone: string } {
  const [prefix = '', timezone] = /^\s*(?:CRON_)?TZ=(\S*)\s*/.exec(text) ?? []
  if (timezone !== undefined && given !== undefined)
    throw new InvalidOption(
      `timezone of "${name}"`,
      'an option or a prefix of the pattern',
      `both: "${given}" and "${timezone}"`,
    )
  return { pattern: text.slice(prefix.length), timezone: timezone ?? given ?? 'UTC' }
}

/**
 * The rule of when a pattern is due next: one for all schedules of the same pattern and zone. Throws `InvalidOption` for a pattern or a
 * zone that cannot be.
 */
export function cronNext(name: string, pattern: string, timezone: string): Schedule['next'] {
  return recall(nexts, `${timezone} ${pattern}`, () => toNext(name, pattern, timezone), MAX_KNOWN)
}

function toNext(name: string, pattern: string, timezone: string): Schedule['next'] {
  const offsetAt = zoneOffset(name, timezone)
  checkPattern(name, pattern)
  // By name, so that no rule keeps what weighs too much to be kept.
  const calendar: Calendar = (wallMs) => calendarOf(name, pattern)(wallMs)
  return isEveryHour(pattern) ? wheneverShown(calendar, offsetAt) : onceEach(calendar, offsetAt)
}

const nexts = new Map<string, Schedule['next']>()

/** Of rules that keep nothing but their pattern and zone. */
const MAX_KNOWN = 20_000

/** One weighs 83 kB, and is the same for every schedule and every zone. */
const calendars = new Map<string, Calendar>()
const MAX_CALENDARS = 50

function calendarOf(name: string, pattern: string): Calendar {
  return recall(calendars, pattern, () => toCalendar(name, pattern), MAX_CALENDARS)
}

const everyHours = new Map<string, boolean>()

/** Whether a good pattern is due in each of the 24 hours, and so goes by elapsed time: parsed once for all patterns of the same hours. */
export function isEveryHour(pattern: string): boolean {
  const fields = pattern.trim().split(/\s+/)
  const hour = fields.length === 5 ? fields[1] : fields[2]
  const alike = hour === undefined ? pattern : `0 ${hour} * * *`
  return recall(everyHours, alike, () => new CronPattern(alike).hour.every(Boolean))
}

const FORM =
  'five fields (minute hour day month weekday), with seconds before or seconds and a year around them, or @hourly, @daily, @weekly, @monthly, @yearly'

/** Nobody had a schedule before that could have been due then. */
const FIRST_YEAR = 2026

function checkPattern(name: string, pattern: string): void {
  // Croner would take a date and time for a schedule that is due once.
  if (/^\s*\d{4}-/.test(pattern)) throw refusal(name, pattern, 'a date')
  const isDue = calendarOf(name, pattern)(Date.UTC(FIRST_YEAR, 0) - 1) !== null
  if (!isDue) throw refusal(name, pattern, `never due from ${FIRST_YEAR} on`)
}

/** In UTC: what zones do to it is no calendar's matter. */
function toCalendar(name: string, pattern: string): Calendar {
  try {
    const parser = new Cron(pattern, { utcOffset: 0 })
    return (wallMs) => parser.nextRun(new Date(wallMs))?.getTime() ?? null
  } catch (thrown) {
    const found = toError(thrown).message.replace(/^CronPattern: /, '')
    throw refusal(name, pattern, HINTS.find(([form]) => form.test(`${pattern} ${found}`))?.[1] ?? found)
  }
}

function refusal(name: string, pattern: string, found: string): InvalidOption {
  return new InvalidOption(`pattern of "${name}"`, FORM, `${JSON.stringify(pattern)} (${found})`)
}

/** What other crons know, and what to write here instead. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [/@reboot/i, 'nothing starts only once here: enqueue the job where your process starts, or use at()'],
  [/@every/i, 'for an interval use every()'],
  [/\bH\b/, 'for H name a time, and set jitterMs to spread schedules'],
  [/\bL-\d/i, 'L is the last day of the month and LW its last weekday; for days before it use custom()'],
  [/larger than to/, 'a range that wraps is written as two: 22-23,0-2 for 22-2'],
]
