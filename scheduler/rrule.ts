/** Schedules by the recurrence rules of calendars, RFC 5545 (`tq-edge/scheduler/rrule`). */
import { RRuleTemporal } from 'rrule-temporal'
import { InvalidOption, toError } from '../src/errors.ts'
import type { Schedule } from '../src/schedule.ts'
import type { Task } from '../src/task.ts'
import { toBounds } from './bounds.ts'
import { FORM, type RruleParts, toRruleText } from './rrule-text.ts'
import { checkName, type ScheduleOptions, toSchedule } from './schedule.ts'
import { zoneOffset } from './zone.ts'

export type { RruleParts } from './rrule-text.ts'

export type RruleOptions<T extends Task = Task> = ScheduleOptions<T> & {
  /** An IANA time zone such as `Europe/Oslo`. Default: that of the rule's `DTSTART`, or `UTC`. */
  readonly timezone?: string | undefined
}

/** A rule that finds nothing in so many of its periods is never due again: 54 years of days. */
const MAX_PERIODS = 20_000

/**
 * A schedule by a recurrence rule of RFC 5545: the text that calendars export, or its parts.
 *
 * A local time that the clocks skip is not due, one that comes twice is due the first time.
 * Throws `InvalidOption` for a rule or a time zone that cannot be, `InvalidInput` for an input that the task's schema refuses.
 *
 * @example
 * ```ts
 * import { defineTask } from 'tq-edge'
 * import { rrule } from 'tq-edge/scheduler/rrule'
 *
 * const invoice = defineTask({ name: 'invoice', run: () => 'sent' })
 * const text = 'DTSTART;TZID=Europe/Oslo:20260101T090000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR'
 * const { next } = rrule('invoices', text, { task: invoice })
 * console.log(new Date(next(Date.parse('2026-02-01T00:00Z')) ?? 0).toISOString()) // 2026-02-27T08:00:00.000Z
 * ```
 */
export function rrule<T extends Task>(name: string, rule: string | RruleParts, options: RruleOptions<T>): Schedule {
  checkName(name)
  const { text, timezone } = toRruleText(name, rule, options.timezone)
  zoneOffset(name, timezone)
  const next = rruleNext(name, text)
  return toSchedule(name, { kind: 'rrule', text, timezone, ...toBounds(name, options) }, next, options)
}

function rruleNext(name: string, text: string): Schedule['next'] {
  const refusal = (found: string) => new InvalidOption(`rule of "${name}"`, FORM, found)
  let parsed: RRuleTemporal
  try {
    parsed = new RRuleTemporal({ rruleString: text, strict: true, maxIterations: MAX_PERIODS })
  } catch (error) {
    throw refusal(`${JSON.stringify(text)} (${toError(error).message})`)
  }
  checkStart(parsed, text, refusal)
  const next = (afterMs: number) => orNever(() => parsed.next(new Date(afterMs))?.epochMilliseconds ?? null)
  if (next(0) === null) throw refusal(`${JSON.stringify(text)} (never due)`)
  return next
}

/** The calendar would take a time of a gap for the one an hour later, on every day. */
function checkStart(parsed: RRuleTemporal, text: string, refusal: (found: string) => Error): void {
  const [, written = ''] = /^DTSTART[^:]*:(\S+)/.exec(text) ?? []
  const shown = parsed.options().dtstart.toString().replace(/[-:]/g, '')
  if (!shown.startsWith(written)) throw refusal(`a DTSTART of ${written}, which the clocks of its zone skip`)
}

/** The calendar gives a search up by an error. */
function orNever(search: () => number | null): number | null {
  try {
    return search()
  } catch (error) {
    if (/^Maximum /.test(toError(error).message)) return null
    throw error
  }
}
