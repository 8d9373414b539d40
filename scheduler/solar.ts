/** Schedules by the sun (`tq-edge/scheduler/solar`). */
import { getPosition, getTimes, type SunTimeName } from 'suncalc'
import { InvalidOption } from '../src/errors.ts'
import type { Schedule } from '../src/schedule.ts'
import type { Task } from '../src/task.ts'
import { toBounds } from './bounds.ts'
import { parseDuration } from './duration.ts'
import { checkName, type ScheduleOptions, toSchedule } from './schedule.ts'
import { DAY_MS } from './zone.ts'

/** Dawn and dusk are where the sun's centre is 6, 12 or 18 degrees below the horizon: civil, nautical, astronomical. */
export type SolarEvent = keyof typeof EVENTS

/** What the calculation calls each, and how high the sun's centre is then, in degrees. */
const EVENTS = {
  sunrise: ['sunrise', -0.833],
  sunset: ['sunset', -0.833],
  civilDawn: ['dawn', -6],
  civilDusk: ['dusk', -6],
  nauticalDawn: ['nauticalDawn', -12],
  nauticalDusk: ['nauticalDusk', -12],
  astronomicalDawn: ['nightEnd', -18],
  astronomicalDusk: ['night', -18],
  noon: ['solarNoon', null],
} as const satisfies Record<string, readonly [SunTimeName | 'solarNoon', number | null]>

export interface SolarRule {
  readonly event: SolarEvent
  /** In degrees; south of the equator below 0. */
  readonly latitude: number
  /** In degrees; west of Greenwich below 0. */
  readonly longitude: number
  /** Later than the event by milliseconds or a text such as `45m`; earlier by a negative number or `-45m`. At most a day. */
  readonly offset?: number | string | undefined
}

/** Longer than any polar night or day. */
const MAX_DAYS = 400
const MINUTE_MS = 60_000

/**
 * A schedule by the sun: due at sunrise, sunset, dawn, dusk or solar noon of a place, or some time before or after.
 *
 * To the minute; where there is no such event for months, in a polar day or night, it is next due after them.
 * Throws `InvalidOption` for an event, a place or an offset that cannot be, `InvalidInput` for an input that the task's schema refuses.
 *
 * @example
 * ```ts
 * import { defineTask } from 'tq-edge'
 * import { solar } from 'tq-edge/scheduler/solar'
 *
 * const lamps = defineTask({ name: 'lamps', run: () => 'on' })
 * const oslo = { latitude: 59.91, longitude: 10.75 }
 * const { next } = solar('lamps-on', { event: 'sunset', ...oslo, offset: '-30m' }, { task: lamps })
 * console.log(new Date(next(Date.parse('2026-06-21T12:00Z')) ?? 0).toISOString()) // 2026-06-21T20:14:00.000Z
 * ```
 */
export function solar<T extends Task>(name: string, rule: SolarRule, options: ScheduleOptions<T>): Schedule {
  checkName(name)
  const { event, latitude, longitude, offset } = rule
  if (!Object.hasOwn(EVENTS, event))
    throw new InvalidOption(`event of "${name}"`, `one of ${Object.keys(EVENTS).join(', ')}`, JSON.stringify(event))
  checkDegrees(`latitude of "${name}"`, latitude, 90)
  checkDegrees(`longitude of "${name}"`, longitude, 180)
  const offsetMs = toOffsetMs(name, offset) || undefined
  const next = solarNext({ event, latitude, longitude, offsetMs })
  const data = { kind: 'solar', event, latitude, longitude, offsetMs, ...toBounds(name, options) } as const
  return toSchedule(name, data, next, options)
}

interface Place {
  readonly event: SolarEvent
  readonly latitude: number
  readonly longitude: number
  readonly offsetMs: number | undefined
}

function solarNext({ event, latitude, longitude, offsetMs = 0 }: Place): Schedule['next'] {
  return (afterMs) => {
    // Near midnight the solar day of a moment may be the one before.
    for (let day = -1; day <= MAX_DAYS; day++) {
      const atMs = eventOf(new Date(afterMs - offsetMs + day * DAY_MS), event, latitude, longitude)
      const dueAtMs = atMs === null ? null : toMinute(atMs) + offsetMs
      if (dueAtMs !== null && dueAtMs > afterMs) return dueAtMs
    }
    return null
  }
}

/** What the calculation adds to altitudes below the horizon, where it takes the refraction at the horizon. */
const REFRACTION = 0.484
const MAX_ERROR = 0.05

/** Null where there is none on that solar day, and where the sun but touches that altitude: the calculation may then be hours off. */
function eventOf(date: Date, event: SolarEvent, latitude: number, longitude: number): number | null {
  const [name, altitude] = EVENTS[event]
  const at = getTimes(date, latitude, longitude)[name]
  if (!at) return null
  const shown = getPosition(at, latitude, longitude).altitude - REFRACTION
  return altitude === null || Math.abs(shown - altitude) <= MAX_ERROR ? at.getTime() : null
}

/** Runtimes differ in the last digit of a sine: what is finer would not be the same for all beats. */
function toMinute(ms: number): number {
  return Math.round(ms / MINUTE_MS) * MINUTE_MS
}

function checkDegrees(what: string, degrees: number, most: number): void {
  if (!(Math.abs(degrees) <= most))
    throw new InvalidOption(what, `a number of degrees from -${most} to ${most}`, String(degrees))
}

function toOffsetMs(name: string, offset: number | string = 0): number {
  const ms = typeof offset === 'number' ? offset : signedMs(offset)
  if (Number.isInteger(ms) && Math.abs(ms) <= DAY_MS) return ms
  throw new InvalidOption(
    `offset of "${name}"`,
    'whole milliseconds or a text such as "45m" or "-1h30m", at most a day',
    JSON.stringify(offset),
  )
}

function signedMs(text: string): number {
  const ms = parseDuration(text.replace(/^[+-]/, '')) ?? Number.NaN
  return text.startsWith('-') ? -ms : ms
}
