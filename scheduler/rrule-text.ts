/** The text of a recurrence rule, checked and in one spelling, so that the same rule is the same data. */
import { InvalidOption } from '../src/errors.ts'
import { type Moment, toMs } from './moment.ts'

/** A rule's parts by their names in RFC 5545. */
export interface RruleParts {
  /** When it begins, as local time of the zone: `2026-01-05T09:00`. It is due then if the other parts say so as well. */
  readonly dtstart: string
  readonly freq: 'YEARLY' | 'MONTHLY' | 'WEEKLY' | 'DAILY' | 'HOURLY' | 'MINUTELY' | 'SECONDLY'
  readonly interval?: number
  /** At most so many; 10,000 at most. */
  readonly count?: number
  /** Not after this moment. Not together with `count`. */
  readonly until?: Moment
  readonly byMonth?: readonly number[]
  readonly byWeekNo?: readonly number[]
  readonly byYearDay?: readonly number[]
  readonly byMonthDay?: readonly number[]
  /** `MO`, or `-1FR` for the last Friday of the month or the year. */
  readonly byDay?: readonly string[]
  readonly byHour?: readonly number[]
  readonly byMinute?: readonly number[]
  readonly bySecond?: readonly number[]
  readonly bySetPos?: readonly number[]
  readonly wkst?: 'MO' | 'TU' | 'WE' | 'TH' | 'FR' | 'SA' | 'SU'
  /** Also due then: local times like `dtstart`. */
  readonly rdate?: readonly string[]
  /** Not due then. */
  readonly exdate?: readonly string[]
}

export const FORM =
  'DTSTART and RRULE of RFC 5545 such as "DTSTART;TZID=Europe/Oslo:20260105T090000\\nRRULE:FREQ=WEEKLY;BYDAY=MO", with RDATE and EXDATE if needed, all with a time of day'

export interface RruleText {
  readonly text: string
  readonly timezone: string
}

interface Line {
  readonly property: string
  readonly zone: string | undefined
  readonly value: string
}

/** Throws `InvalidOption` for what cannot be. */
export function toRruleText(name: string, rule: string | RruleParts, given: string | undefined): RruleText {
  const refusal = (found: string) => new InvalidOption(`rule of "${name}"`, FORM, found)
  const lines = typeof rule === 'string' ? readLines(rule, refusal) : fromParts(name, rule)
  const [start, recurrence, ...others] = ['DTSTART', 'RRULE', 'RDATE', 'EXDATE'].flatMap((property) =>
    lines.filter((line) => line.property === property),
  )
  if (
    start?.property !== 'DTSTART' ||
    recurrence?.property !== 'RRULE' ||
    others.some(({ property }) => !/DATE/.test(property))
  )
    throw refusal(lines.length === 0 ? 'nothing' : lines.map(({ property }) => property).join(', '))
  const zone = zoneOf(start)
  if (zone !== undefined && given !== undefined)
    throw new InvalidOption(`timezone of "${name}"`, 'an option or in DTSTART', `both: "${given}" and "${zone}"`)
  const timezone = zone ?? given ?? 'UTC'
  checkParts(recurrence.value, refusal)
  const dated = [start, ...others].map((line) => toDated(line, timezone, refusal))
  return { text: [dated[0], `RRULE:${recurrence.value}`, ...dated.slice(1)].join('\n'), timezone }
}

const LINE = /^(DTSTART|RRULE|RDATE|EXDATE)(?:;TZID=([\w/+-]+))?:(\S+)$/i

/** Long lines are folded: what follows begins with a space. */
function readLines(text: string, refusal: (found: string) => Error): Line[] {
  const unfolded = text.replace(/\r?\n[ \t]/g, '')
  const lines = unfolded.split(/\s*\n\s*/).filter((line) => line.trim() !== '')
  return lines.map((line) => {
    const [, property, zone, value] = LINE.exec(line.trim()) ?? []
    if (property === undefined || value === undefined) throw refusal(JSON.stringify(line))
    return { property: property.toUpperCase(), zone, value: value.toUpperCase() }
  })
}

function zoneOf({ zone, value }: Line): string | undefined {
  return value.endsWith('Z') ? 'UTC' : zone
}

function fromParts(name: string, { dtstart, rdate = [], exdate = [], until, ...parts }: RruleParts): Line[] {
  const given = Object.entries(parts).filter(([, value]) => value !== undefined)
  const value = given.map(([part, values]) => `${part.toUpperCase()}=${[values].flat().join(',')}`)
  if (until !== undefined) value.push(`UNTIL=${toStamp(new Date(toMs(`until of "${name}"`, until)).toISOString())}`)
  const line = (property: string, times: readonly string[]) =>
    times.length === 0 ? [] : [{ property, zone: undefined, value: times.map(toStamp).join(',') }]
  return [
    ...line('DTSTART', [dtstart]),
    { property: 'RRULE', zone: undefined, value: value.join(';') },
    ...line('RDATE', rdate),
    ...line('EXDATE', exdate),
  ]
}

/** `2026-01-05T09:00` as `20260105T090000`. */
function toStamp(time: string): string {
  return time
    .replace(/\.\d+/, '')
    .replace(/(T\d\d:\d\d)(Z?)$/, '$1:00$2')
    .replace(/[-:]/g, '')
}

const STAMPS = /^\d{8}T\d{6}Z?(?:,\d{8}T\d{6}Z?)*$/

/** Local times with their zone, and such in UTC, which are all of a line or none. */
function toDated({ property, zone, value }: Line, timezone: string, refusal: (found: string) => Error): string {
  if (!STAMPS.test(value)) throw refusal(`${property}:${value}`)
  if (zone !== undefined && zone !== timezone) throw refusal(`${property} in ${zone} and DTSTART in ${timezone}`)
  const isUtc = value.endsWith('Z') && timezone !== 'UTC'
  return isUtc ? `${property}:${value}` : `${property};TZID=${timezone}:${value.replaceAll('Z', '')}`
}

/** From and to; where from is below 0, 0 itself is none. */
const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  INTERVAL: [1, 100_000],
  COUNT: [1, 10_000],
  BYMONTH: [1, 12],
  BYWEEKNO: [-53, 53],
  BYYEARDAY: [-366, 366],
  BYMONTHDAY: [-31, 31],
  BYHOUR: [0, 23],
  BYMINUTE: [0, 59],
  BYSECOND: [0, 59],
  BYSETPOS: [-366, 366],
}

const FORMS: Readonly<Record<string, RegExp>> = {
  FREQ: /^(?:YEARLY|MONTHLY|WEEKLY|DAILY|HOURLY|MINUTELY|SECONDLY)$/,
  UNTIL: /^\d{8}T\d{6}Z$/,
  BYDAY: /^(?:[+-]?\d{1,2})?(?:MO|TU|WE|TH|FR|SA|SU)(?:,(?:[+-]?\d{1,2})?(?:MO|TU|WE|TH|FR|SA|SU))*$/,
  WKST: /^(?:MO|TU|WE|TH|FR|SA|SU)$/,
}

/** The calendar would pass over what it does not know. */
function checkParts(value: string, refusal: (found: string) => Error): void {
  const seen = new Set<string>()
  for (const part of value.split(';')) {
    const [key = '', text = ''] = part.split('=')
    const isRight = FORMS[key]?.test(text) ?? isInRange(key, text)
    if (!isRight) throw refusal(JSON.stringify(part))
    if (seen.has(key)) throw refusal(`${key} twice`)
    seen.add(key)
  }
}

function isInRange(key: string, text: string): boolean {
  const range = RANGES[key]
  if (!range) return false
  const [min, max] = range
  return text
    .split(',')
    .every(
      (item) =>
        /^[+-]?\d+$/.test(item) && Number(item) >= min && Number(item) <= max && (min >= 0 || Number(item) !== 0),
    )
}
