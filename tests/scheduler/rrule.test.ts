/** Recurrence rules, by the examples of RFC 5545 section 3.8.5.3 and by what it says of the clocks. */
import { expect, test } from 'bun:test'
import { InvalidOption } from 'tq-edge'
import { deploySchedules, fromDefinition, tick, toDefinition } from 'tq-edge/scheduler'
import { type RruleParts, rrule } from 'tq-edge/scheduler/rrule'
import { toZonedTime } from '../../cli/times.ts'
import { zoneOffset } from '../../scheduler/zone.ts'
import { appWith, createScene, dueTimes, dueTimesOf, tidy, upcoming } from './support.ts'

const HOUR_MS = 3_600_000

/** Local times of a zone, as many as there are, at most so many. */
function localTimes(text: string, timezone: string, count = 100, afterMs = 0): string[] {
  const offsetAt = zoneOffset('x', timezone)
  const due = upcoming(rrule('x', text, { task: tidy }), { afterMs, count })
  return due.map(({ dueAtMs }) => toZonedTime(dueAtMs, offsetAt))
}

/** Days as the RFC lists them: `1997 September 2-11; October 1`. */
function daysOf(text: string): string[] {
  let [year, month] = ['', 0]
  return text.split(/[;,] */).flatMap((item) => {
    const [, newYear, newMonth, from = '', to = from] =
      /^(?:(\d{4}) )?(?:([A-Z][a-z]+) )?(\d+)(?:-(\d+))?$/.exec(item) ?? []
    year = newYear ?? year
    month = newMonth ? MONTHS.indexOf(newMonth.slice(0, 3)) + 1 : month
    return Array.from({ length: Number(to) - Number(from) + 1 }, (_, at) =>
      [year, String(month).padStart(2, '0'), String(Number(from) + at).padStart(2, '0')].join('-'),
    )
  })
}
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const SEPTEMBER_2 = '19970902T090000'

/** Rule, first day if it is another than 2 September 1997, and the days that the RFC lists; all at 9:00 in New York. */
test.each([
  ['FREQ=DAILY;COUNT=10', '1997 September 2-11'],
  ['FREQ=DAILY;INTERVAL=2', '1997 September 2,4,6,8,10,12,14,16,18,20,22,24,26,28,30; October 2,4,6'],
  ['FREQ=DAILY;INTERVAL=10;COUNT=5', '1997 September 2,12,22; October 2,12'],
  ['FREQ=WEEKLY;COUNT=10', '1997 September 2,9,16,23,30; October 7,14,21,28; November 4'],
  [
    'FREQ=WEEKLY;UNTIL=19971224T000000Z',
    '1997 September 2,9,16,23,30; October 7,14,21,28; November 4,11,18,25; December 2,9,16,23',
  ],
  [
    'FREQ=WEEKLY;INTERVAL=2;WKST=SU',
    '1997 September 2,16,30; October 14,28; November 11,25; December 9,23; 1998 January 6,20; February 3,17',
  ],
  ['FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH', '1997 September 2,4,9,11,16,18,23,25,30; October 2'],
  ['FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH', '1997 September 2,4,16,18,30; October 2,14,16'],
  [
    'FREQ=MONTHLY;COUNT=10;BYDAY=1FR',
    '1997 September 5; October 3; November 7; December 5; 1998 January 2; February 6; March 6; April 3; May 1; June 5',
  ],
  ['FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR', '1997 September 5; October 3; November 7; December 5'],
  [
    'FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU',
    '1997 September 7,28; November 2,30; 1998 January 4,25; March 1,29; May 3,31',
  ],
  [
    'FREQ=MONTHLY;COUNT=6;BYDAY=-2MO',
    '1997 September 22; October 20; November 17; December 22; 1998 January 19; February 16',
  ],
  [
    'FREQ=MONTHLY;BYMONTHDAY=-3',
    '1997 September 28; October 29; November 28; December 29; 1998 January 29; February 26',
  ],
  [
    'FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15',
    '1997 September 2,15; October 2,15; November 2,15; December 2,15; 1998 January 2,15',
  ],
  [
    'FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1',
    '1997 September 30; October 1,31; November 1,30; December 1,31; 1998 January 1,31; February 1',
  ],
  ['FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15', '1997 September 10-15; 1999 March 10-13'],
  [
    'FREQ=MONTHLY;INTERVAL=2;BYDAY=TU',
    '1997 September 2,9,16,23,30; November 4,11,18,25; 1998 January 6,13,20,27; March 3,10,17,24,31',
  ],
  [
    'FREQ=YEARLY;COUNT=10;BYMONTH=6,7',
    '1998 June 2; July 2; 1999 June 2; July 2; 2000 June 2; July 2; 2001 June 2; July 2; 2002 June 2; July 2',
  ],
  ['FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8', '1998 June 4,11,18,25; July 2,9,16,23,30; August 6,13,20,27'],
  ['FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13', '1998 February 13; March 13; November 13; 1999 August 13; 2000 October 13'],
  [
    'FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13',
    '1997 September 13; October 11; November 8; December 13; 1998 January 10; February 7; March 7',
  ],
  ['FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3', '1997 September 4; October 7; November 6'],
  [
    'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2',
    '1997 September 29; October 30; November 27; December 30; 1998 January 29; February 26; March 30',
  ],
])('RFC 5545: %s', (rule, days) => {
  const text = `DTSTART;TZID=America/New_York:${SEPTEMBER_2}\nRRULE:${rule}`
  const expected = daysOf(days)
  const times = localTimes(text, 'America/New_York', /COUNT|UNTIL/.test(rule) ? 100 : expected.length)
  expect(times.map((time) => time.slice(0, 16))).toEqual(expected.map((day) => `${day}T09:00`))
})

test.each([
  ['19970512T090000', 'FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO', '1997 May 12; 1998 May 11; 1999 May 17'],
  ['19970519T090000', 'FREQ=YEARLY;BYDAY=20MO', '1997 May 19; 1998 May 18; 1999 May 17'],
  [
    '19970101T090000',
    'FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200',
    '1997 January 1; April 10; July 19; 2000 January 1; April 9; July 18; 2003 January 1; April 10; July 19; 2006 January 1',
  ],
  [
    '19970310T090000',
    'FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3',
    '1997 March 10; 1999 January 10; February 10; March 10; 2001 January 10; February 10; March 10; 2003 January 10; February 10; March 10',
  ],
  [
    '19961105T090000',
    'FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8',
    '1996 November 5; 2000 November 7; 2004 November 2',
  ],
  ['19970805T090000', 'FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO', '1997 August 5,10,19,24'],
  ['19970805T090000', 'FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU', '1997 August 5,17,19,31'],
  ['20070115T090000', 'FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5', '2007 January 15,30; February 15; March 15,30'],
])('RFC 5545 from %s: %s', (start, rule, days) => {
  const expected = daysOf(days)
  const times = localTimes(`DTSTART;TZID=America/New_York:${start}\nRRULE:${rule}`, 'America/New_York', expected.length)
  expect(times.map((time) => time.slice(0, 16))).toEqual(expected.map((day) => `${day}T09:00`))
})

test.each([
  ['FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z', ['09:00', '12:00', '15:00']],
  ['FREQ=MINUTELY;INTERVAL=15;COUNT=6', ['09:00', '09:15', '09:30', '09:45', '10:00', '10:15']],
  ['FREQ=MINUTELY;INTERVAL=90;COUNT=4', ['09:00', '10:30', '12:00', '13:30']],
  ['FREQ=DAILY;BYHOUR=9,10;BYMINUTE=0,20,40;COUNT=5', ['09:00', '09:20', '09:40', '10:00', '10:20']],
  ['FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10;COUNT=5', ['09:00', '09:20', '09:40', '10:00', '10:20']],
])('RFC 5545, within a day: %s', (rule, times) => {
  const text = `DTSTART;TZID=America/New_York:${SEPTEMBER_2}\nRRULE:${rule}`
  expect(localTimes(text, 'America/New_York')).toEqual(times.map((time) => `1997-09-02T${time}:00-04:00`))
})

test('with EXDATE it is not due, with RDATE also', () => {
  const text = `DTSTART;TZID=Europe/Oslo:20260105T090000\nRRULE:FREQ=WEEKLY;COUNT=4
EXDATE;TZID=Europe/Oslo:20260112T090000\nRDATE;TZID=Europe/Oslo:20260113T120000`
  expect(localTimes(text, 'Europe/Oslo')).toEqual([
    '2026-01-05T09:00:00+01:00',
    '2026-01-13T12:00:00+01:00',
    '2026-01-19T09:00:00+01:00',
    '2026-01-26T09:00:00+01:00',
  ])
})

const oslo = (rule: string, start = '20260101T023000') => `DTSTART;TZID=Europe/Oslo:${start}\nRRULE:${rule}`

test('a local time that the clocks skip is not due', () => {
  const march = Date.parse('2026-03-28T00:00Z')
  expect(localTimes(oslo('FREQ=DAILY'), 'Europe/Oslo', 3, march)).toEqual([
    '2026-03-28T02:30:00+01:00',
    '2026-03-30T02:30:00+02:00',
    '2026-03-31T02:30:00+02:00',
  ])
  expect(localTimes(oslo('FREQ=DAILY;BYHOUR=2,3'), 'Europe/Oslo', 4, march)).toEqual([
    '2026-03-28T02:30:00+01:00',
    '2026-03-28T03:30:00+01:00',
    '2026-03-29T03:30:00+02:00',
    '2026-03-30T02:30:00+02:00',
  ])
  const gap = localTimes(
    'DTSTART;TZID=America/Nuuk:20260101T233000\nRRULE:FREQ=DAILY',
    'America/Nuuk',
    2,
    march + 12 * HOUR_MS,
  )
  expect(gap).toEqual(['2026-03-29T23:30:00-01:00', '2026-03-30T23:30:00-01:00'])
})

test('one that comes twice is due the first time, and says so', () => {
  const october = Date.parse('2026-10-24T12:00Z')
  expect(localTimes(oslo('FREQ=DAILY'), 'Europe/Oslo', 2, october)).toEqual([
    '2026-10-25T02:30:00+02:00',
    '2026-10-26T02:30:00+01:00',
  ])
  expect(upcoming(rrule('x', oslo('FREQ=DAILY'), { task: tidy }), { afterMs: october, count: 1 })[0]?.reason).toBe(
    'dst: 02:30 comes twice, due the first time alone',
  )
})

test('a time of day is due on each day of ten years, but for those on which it is skipped', () => {
  const { next } = rrule('x', oslo('FREQ=DAILY', '20240101T023000'), { task: tidy })
  expect(dueTimes({ next }, Date.UTC(2024, 0), Date.UTC(2034, 0))).toHaveLength(3_653 - 10)
})

test('the next due time is after the moment asked for, and never one of later moments is before it', () => {
  for (const rule of [
    'FREQ=DAILY',
    'FREQ=HOURLY;INTERVAL=5',
    'FREQ=MONTHLY;BYDAY=-1SU;BYHOUR=1,2,3',
    'FREQ=DAILY;COUNT=9000',
  ]) {
    const { next } = rrule('x', oslo(rule), { task: tidy })
    let latest = 0
    for (let atMs = Date.parse('2026-03-27T00:00Z'); atMs < Date.parse('2026-03-31T00:00Z'); atMs += HOUR_MS / 3) {
      const due = next(atMs) as number
      expect(due).toBeGreaterThan(atMs)
      expect(due).toBeGreaterThanOrEqual(latest)
      expect(next(due - 1)).toBe(due)
      latest = due
    }
  }
})

test('the parts of a rule are the same rule as its text, however that is written', () => {
  const parts: RruleParts = {
    dtstart: '2026-01-05T09:00',
    freq: 'MONTHLY',
    byDay: ['-1FR'],
    byMonth: [1, 2],
    until: '2027-01-01T00:00Z',
    exdate: ['2026-02-27T09:00'],
  }
  const written = `dtstart;tzid=Europe/Oslo:20260105T090000\r\nEXDATE:20260227T090000\r\nRRULE:FREQ=MONTHLY;BYDAY=-1FR;
 BYMONTH=1,2;UNTIL=20270101T000000Z\r\n`
  const { rule } = rrule('x', parts, { task: tidy, timezone: 'Europe/Oslo' })
  expect(rule).toMatchObject({
    kind: 'rrule',
    timezone: 'Europe/Oslo',
    text: `DTSTART;TZID=Europe/Oslo:20260105T090000
RRULE:FREQ=MONTHLY;BYDAY=-1FR;BYMONTH=1,2;UNTIL=20270101T000000Z
EXDATE;TZID=Europe/Oslo:20260227T090000`,
  })
  expect(rrule('x', written, { task: tidy }).rule).toEqual(rule)
  expect(rrule('x', 'DTSTART:20260105T090000Z\nRRULE:FREQ=DAILY', { task: tidy }).rule).toEqual(
    rrule('x', { dtstart: '2026-01-05T09:00:00', freq: 'DAILY' }, { task: tidy }).rule,
  )
})

test.each([
  ['', 'got nothing'],
  ['FREQ=DAILY', 'got "FREQ=DAILY"'],
  ['RRULE:FREQ=DAILY', 'got RRULE'],
  ['DTSTART:20260105T090000', 'got DTSTART'],
  ['DTSTART:20260105T090000\nRRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY', 'got DTSTART, RRULE, RRULE'],
  ['DTSTART:20260105T090000\nRRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY', 'got "EXRULE:FREQ=WEEKLY"'],
  ['DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=DAILY', 'got "DTSTART;VALUE=DATE:20260105"'],
  ['DTSTART:20260105\nRRULE:FREQ=DAILY', 'got DTSTART:20260105'],
  ['DTSTART:20260230T090000\nRRULE:FREQ=DAILY', 'got "DTSTART;TZID=UTC:20260230T090000'],
  ['DTSTART;TZID=Europe/Oslo:20260329T023000\nRRULE:FREQ=DAILY', 'which the clocks of its zone skip'],
  ['DTSTART:20260105T090000\nRRULE:FREQ=FORTNIGHTLY', 'got "FREQ=FORTNIGHTLY"'],
  ['DTSTART:20260105T090000\nRRULE:FREQ=DAILY;BYMONTH=13', 'got "BYMONTH=13"'],
  ['DTSTART:20260105T090000\nRRULE:FREQ=DAILY;BYHOUR=24', 'got "BYHOUR=24"'],
  ['DTSTART:20260105T090000\nRRULE:FREQ=MONTHLY;BYMONTHDAY=0', 'got "BYMONTHDAY=0"'],
  ['DTSTART:20260105T090000\nRRULE:FREQ=DAILY;BYDAY=XX', 'got "BYDAY=XX"'],
  ['DTSTART:20260105T090000\nRRULE:FREQ=DAILY;EVERY=2', 'got "EVERY=2"'],
  ['DTSTART:20260105T090000\nRRULE:FREQ=DAILY;FREQ=DAILY', 'got FREQ twice'],
  ['DTSTART:20260105T090000\nRRULE:FREQ=DAILY;COUNT=10001', 'got "COUNT=10001"'],
  ['DTSTART:20260105T090000\nRRULE:FREQ=DAILY;COUNT=2;UNTIL=20270101T000000Z', 'COUNT and UNTIL MUST NOT occur'],
  ['DTSTART:20260105T090000\nRRULE:FREQ=DAILY;UNTIL=20250101T000000Z', 'never due'],
  ['DTSTART:20260105T090000\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30', 'never due'],
  [
    'DTSTART;TZID=Europe/Oslo:20260105T090000\nRRULE:FREQ=DAILY\nRDATE;TZID=Asia/Tokyo:20260105T120000',
    'got RDATE in Asia/Tokyo and DTSTART in Europe/Oslo',
  ],
])('%j is refused where it is declared', (text, says) => {
  const declare = () => rrule('x', text, { task: tidy })
  expect(declare).toThrow(InvalidOption)
  expect(declare).toThrow(says)
})

test('a zone is given once, and is one', () => {
  const both = () => rrule('x', oslo('FREQ=DAILY'), { task: tidy, timezone: 'Asia/Tokyo' })
  expect(both).toThrow(
    'expected timezone of "x" to be an option or in DTSTART, got both: "Asia/Tokyo" and "Europe/Oslo"',
  )
  expect(() => rrule('x', oslo('FREQ=DAILY').replace('Oslo', 'Atlantis'), { task: tidy })).toThrow('an IANA time zone')
})

test('it is fired like any other; a beat without it in its app leaves it alone, and a changed rule starts afresh', async () => {
  const scene = createScene('2026-01-05T07:30:00Z')
  const weekly = rrule('weekly', oslo('FREQ=DAILY;BYDAY=MO,TU', '20260101T090000'), { task: tidy })
  const other = rrule('weekly', oslo('FREQ=DAILY;BYDAY=MO,WE', '20260101T090000'), { task: tidy })
  await deploySchedules({ app: appWith(weekly), ...scene, stampMs: 1 })
  await scene.clock.advance(HOUR_MS)
  for (const app of [appWith(), appWith(other)]) expect((await tick({ app, ...scene })).fired).toBe(0)
  expect(scene.events.map(({ kind }) => kind)).toEqual(['beat.unknown', 'beat.unknown'])
  expect((await tick({ app: appWith(weekly), ...scene })).fired).toBe(1)
  await deploySchedules({ app: appWith(other), ...scene, stampMs: 2 })
  await scene.clock.advance(48 * HOUR_MS)
  expect((await tick({ app: appWith(other), ...scene })).fired).toBe(1)
  expect(await dueTimesOf(scene.broker)).toEqual(['2026-01-05T08:00:00.000Z', '2026-01-07T08:00:00.000Z'])
})

test('its definition is data, which the app’s own declaration makes due', () => {
  const weekly = rrule('weekly', oslo('FREQ=WEEKLY'), { task: tidy, jitterMs: 60_000, startAt: '2026-06-01T00:00Z' })
  const stored = { name: 'weekly', definition: toDefinition(weekly) }
  expect(fromDefinition(stored)).toBeNull()
  expect(fromDefinition(stored, [weekly])?.next).toBe(weekly.next)
})
