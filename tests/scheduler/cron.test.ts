import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { defineTask, InvalidInput, InvalidOption, NotSerializable, TooLarge } from 'tq-edge'
import { cron, every } from 'tq-edge/scheduler'
import * as v from 'valibot'
import { dueTimes, tidy } from './support.ts'

const greet = defineTask({ name: 'greet', input: v.object({ name: v.string() }), run: ({ name }) => name })

const duesOf = (pattern: string, timezone: string, from: string, until: string) =>
  dueTimes(cron('x', pattern, { task: tidy, timezone }), Date.parse(from), Date.parse(until)).map((at) =>
    new Date(at).toISOString().replace(':00.000Z', 'Z'),
  )

test('a pattern is read in UTC unless a zone is given', () => {
  const noon = Date.UTC(2026, 0, 5, 12)
  expect(cron('x', '0 7 * * *', { task: tidy }).next(noon)).toBe(Date.UTC(2026, 0, 6, 7))
  expect(cron('x', '0 7 * * *', { task: tidy, timezone: 'Asia/Tokyo' }).next(noon)).toBe(Date.UTC(2026, 0, 5, 22))
})

test('the next due time is after the moment asked for, to the millisecond', () => {
  const { next } = cron('x', '* * * * * *', { task: tidy })
  expect(next(1_000)).toBe(2_000)
  expect(next(999)).toBe(1_000)
  expect(next(1_500)).toBe(2_000)
})

test('a time that the clock skips in spring is due once, at the end of the gap', () => {
  expect(duesOf('30 2 * * *', 'Europe/Oslo', '2026-03-28T00:00Z', '2026-03-31T00:00Z')).toEqual([
    '2026-03-28T01:30Z',
    '2026-03-29T01:00Z',
    '2026-03-30T00:30Z',
  ])
})

test('a time that comes twice in autumn is due once', () => {
  expect(duesOf('30 2 * * *', 'Europe/Oslo', '2026-10-24T00:00Z', '2026-10-27T00:00Z')).toEqual([
    '2026-10-24T00:30Z',
    '2026-10-25T00:30Z',
    '2026-10-26T01:30Z',
  ])
  expect(duesOf('0,30 2 * * *', 'Europe/Oslo', '2026-10-24T22:00Z', '2026-10-25T22:00Z')).toHaveLength(2)
})

test('a gap that spans midnight takes nothing from the day before it', () => {
  expect(duesOf('30 23 * * *', 'America/Nuuk', '2026-03-28T00:00Z', '2026-03-30T12:00Z')).toEqual([
    '2026-03-28T01:30Z',
    '2026-03-29T01:00Z',
    '2026-03-30T00:30Z',
  ])
})

test('times that are skipped together are due together, and one that is at the end of the gap anyway is due with them', () => {
  expect(duesOf('*/15 1-3 * * *', 'Europe/Oslo', '2026-03-29T00:40Z', '2026-03-29T12:00Z')).toEqual([
    '2026-03-29T00:45Z',
    '2026-03-29T01:00Z',
    '2026-03-29T01:15Z',
    '2026-03-29T01:30Z',
    '2026-03-29T01:45Z',
  ])
})

for (const pattern of ['0 * * * *', '0 0-23 * * *', '0 */1 * * *', '@hourly'])
  test(`"${pattern}" is due every hour, also of the days on which the clocks are changed`, () => {
    for (const day of ['2026-03-29', '2026-10-25']) {
      const startMs = Date.parse(`${day}T00:00Z`)
      const due = dueTimes(cron('x', pattern, { task: tidy, timezone: 'Europe/Oslo' }), startMs, startMs + 86_400_000)
      expect(due).toEqual(Array.from({ length: 24 }, (_, hour) => startMs + (hour + 1) * 3_600_000))
    }
  })

test('a pattern that covers the hours of one day only is due in the hour of that day that comes twice', () => {
  const due = duesOf('0 22-23,0-21 24 10 *', 'Asia/Beirut', '2026-10-24T19:00Z', '2026-10-26T00:00Z')
  expect(due).toEqual(['2026-10-24T20:00Z', '2026-10-24T21:00Z'])
})

test('where the clocks are changed by half an hour, a time is due once all the same', () => {
  expect(duesOf('15 2 * * *', 'Australia/Lord_Howe', '2026-10-02T12:00Z', '2026-10-05T00:00Z')).toEqual([
    '2026-10-02T15:45Z',
    '2026-10-03T15:30Z',
    '2026-10-04T15:15Z',
  ])
  expect(duesOf('45 1 * * *', 'Australia/Lord_Howe', '2026-04-03T12:00Z', '2026-04-05T20:00Z')).toEqual([
    '2026-04-03T14:45Z',
    '2026-04-04T14:45Z',
    '2026-04-05T15:15Z',
  ])
})

test('where a whole day was skipped, its time is due at the end of the gap', () => {
  expect(duesOf('0 7 * * *', 'Pacific/Apia', '2011-12-29T00:00Z', '2012-01-01T00:00Z')).toEqual([
    '2011-12-29T17:00Z',
    '2011-12-30T10:00Z',
    '2011-12-30T17:00Z',
    '2011-12-31T17:00Z',
  ])
})

test('a time of day is due on each day of ten years', () => {
  const [from, until] = [Date.UTC(2024, 0, 1, 12), Date.UTC(2034, 0, 1, 12)]
  for (const timezone of ['America/Nuuk', 'Australia/Lord_Howe', 'Africa/Casablanca', 'UTC'])
    expect(dueTimes(cron('x', '30 1 * * *', { task: tidy, timezone }), from, until)).toHaveLength(3_653)
})

test('the next due time is after the moment asked for, and never one of later moments is before it', () => {
  const timezones = [
    'Europe/Oslo',
    'America/Nuuk',
    'Australia/Lord_Howe',
    'Antarctica/Troll',
    'Africa/Casablanca',
    'UTC',
  ]
  const patterns = ['30 2 * * *', '*/7 1-3 * * *', '0 */2 * * *', '*/20 * * * *', '*/13 * 0 29 3 *', '0 0-23 L * *']
  const moment = fc.integer({ min: Date.UTC(2024, 0), max: Date.UTC(2031, 0) })
  // As many near a change of the clocks as anywhere else.
  const changed = fc.constantFrom('2026-03-29T01:00Z', '2026-10-25T01:00Z', '2027-04-03T15:00Z', '2026-10-03T15:30Z')
  const near = fc.tuple(changed, fc.integer({ min: -7_200_000, max: 7_200_000 }))
  const moments = fc.oneof(
    moment,
    near.map(([change, byMs]) => Date.parse(change) + byMs),
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...timezones),
      fc.constantFrom(...patterns),
      moments,
      fc.integer({ min: 1, max: 7_200_000 }),
      (timezone, pattern, atMs, laterMs) => {
        const { next } = cron('x', pattern, { task: tidy, timezone })
        const due = next(atMs) as number
        expect(due).toBeGreaterThan(atMs)
        expect(next(due) as number).toBeGreaterThan(due)
        expect(next(atMs + laterMs) as number).toBeGreaterThanOrEqual(due)
        expect(next(due - 1)).toBe(due)
      },
    ),
    { numRuns: 500, seed: 2026 },
  )
})

test('a rule of one year comes to an end', () => {
  const { next } = cron('x', '0 0 0 1 1 * 2027', { task: tidy })
  expect(next(Date.UTC(2026, 0, 1))).toBe(Date.UTC(2027, 0, 1))
  expect(next(Date.UTC(2027, 0, 1))).toBeNull()
})

for (const pattern of [
  'nope',
  '',
  '* * *',
  '60 * * * *',
  '0 0 * * 8',
  '2026-01-01T00:00:00',
  '2026-01-01 00:00:00',
  '0 0 31 2 *',
])
  test(`the pattern "${pattern}" is refused with the form that is supported`, () => {
    const declare = () => cron('digest', pattern, { task: tidy })
    expect(declare).toThrow(InvalidOption)
    expect(declare).toThrow(
      `expected pattern of "digest" to be five fields (minute hour day month weekday), with seconds before or seconds and a year around them, or @hourly, @daily, @weekly, @monthly, @yearly, got "${pattern}" (`,
    )
  })

for (const [pattern, hint] of [
  ['@reboot', 'nothing starts only once here: enqueue the job where your process starts, or use at()'],
  ['@every 5m', 'for an interval use every()'],
  ['H 7 * * *', 'for H name a time, and set jitterMs to spread schedules'],
  ['H/15 * * * *', 'for H name a time, and set jitterMs to spread schedules'],
  ['0 0 L-3 * *', 'L is the last day of the month and LW its last weekday; for days before it use custom()'],
  ['0 22-2 * * *', 'a range that wraps is written as two: 22-23,0-2 for 22-2'],
  ['0 0 * * FRI-MON', 'a range that wraps is written as two: 22-23,0-2 for 22-2'],
  ['5/15 * * * *', 'Use wildcard (*/step) or range (min-max/step) instead.'],
  ['0 0 0 1 1 * 2020', 'never due from 2026 on'],
  ['0 0 30 2 *', 'never due from 2026 on'],
] as const)
  test(`the pattern "${pattern}" is refused with what to write instead`, () => {
    expect(() => cron('digest', pattern, { task: tidy })).toThrow(hint)
  })

for (const [pattern, due] of [
  ['30 9 L * *', '2026-01-31T09:30'],
  ['0 0 LW 2 *', '2026-02-27T00:00'],
  ['0 0 31W 1 *', '2026-01-30T00:00'],
  ['0 12 * * FRI#2', '2026-01-09T12:00'],
  ['0 12 * * 5L', '2026-01-30T12:00'],
  ['0 0 1 MAR-MAY *', '2026-03-01T00:00'],
  ['15 10 * * * *', '2026-01-05T12:10:15'],
  ['0 0 0 1 1 * 2027', '2027-01-01T00:00'],
  ['0 0 13 * FRI', '2026-01-09T00:00'],
  ['0 0 13 * +FRI', '2026-02-13T00:00'],
  ['@hourly', '2026-01-05T13:00'],
  ['@weekly', '2026-01-11T00:00'],
  ['@midnight', '2026-01-06T00:00'],
  ['@annually', '2027-01-01T00:00'],
] as const)
  test(`the pattern "${pattern}" is due next at ${due}`, () => {
    expect(cron('x', pattern, { task: tidy }).next(Date.parse('2026-01-05T12:00Z'))).toBe(Date.parse(`${due}Z`))
  })

for (const prefix of ['CRON_TZ', 'TZ'])
  test(`the zone may be a prefix of the pattern: ${prefix}=`, () => {
    const prefixed = cron('x', `${prefix}=Europe/Oslo 0 7 * * *`, { task: tidy })
    expect(prefixed.rule).toEqual(cron('x', '0 7 * * *', { task: tidy, timezone: 'Europe/Oslo' }).rule)
  })

test('a zone that is given twice, or a prefix without one, is refused', () => {
  const twice = () => cron('x', 'TZ=Europe/Oslo @daily', { task: tidy, timezone: 'UTC' })
  expect(twice).toThrow('timezone of "x" to be an option or a prefix of the pattern, got both: "UTC" and "Europe/Oslo"')
  expect(() => cron('x', 'CRON_TZ= 0 7 * * *', { task: tidy })).toThrow(
    'an IANA time zone such as "Europe/Oslo", got ""',
  )
})

for (const timezone of ['Mars/Olympus', 'GMT+2', '+02:00', '', 'Local'])
  test(`the zone "${timezone}" is refused with the form that is supported`, () => {
    const declare = () => cron('digest', '0 7 * * *', { task: tidy, timezone })
    expect(declare).toThrow(InvalidOption)
    expect(declare).toThrow(
      `expected timezone of "digest" to be an IANA time zone such as "Europe/Oslo", got "${timezone}"`,
    )
  })

test('a schedule carries its jobs: task, input, queue, priority', () => {
  const { task, input, queue, priority } = cron('x', '@daily', {
    task: greet,
    input: { name: 'Ada' },
    queue: 'mail',
    priority: 5,
  })
  expect({ task, input, queue, priority }).toEqual({
    task: 'greet',
    input: '{"name":"Ada"}',
    queue: 'mail',
    priority: 5,
  })
  expect(every('x', '1m', { task: tidy })).toMatchObject({ task: 'tidy', input: '', queue: 'default', priority: 0 })
})

test('an input that the task would refuse is refused when the schedule is declared, by the compiler too', () => {
  // @ts-expect-error a number is no name
  expect(() => cron('x', '@daily', { task: greet, input: { name: 1 } })).toThrow(InvalidInput)
  // @ts-expect-error the task needs an input
  expect(() => every('x', '1m', { task: greet })).toThrow(InvalidInput)
})

test('an input that JSON cannot carry, or that is too large, is refused', () => {
  expect(() => every('x', '1m', { task: tidy, input: 1n })).toThrow(NotSerializable)
  expect(() => every('x', '1m', { task: tidy, input: 'é'.repeat(600_000) })).toThrow(TooLarge)
})

test('an asynchronous schema refuses nothing here and breaks nothing', () => {
  const picky = defineTask({
    name: 'picky',
    input: v.pipeAsync(
      v.string(),
      v.checkAsync(() => Promise.resolve(false)),
    ),
    run: () => {},
  })
  expect(every('x', '1m', { task: picky, input: 'a' }).input).toBe('"a"')
})

for (const name of ['', '.', '..', 'a b', 'x'.repeat(141)])
  test(`the schedule name of ${name.length} characters "${name.slice(0, 5)}" is refused`, () => {
    expect(() => every(name, '1m', { task: tidy })).toThrow('expected the name of a schedule to be 1 to 140 letters')
    expect(() => cron(name, '@daily', { task: tidy })).toThrow(InvalidOption)
  })

test('a queue or a priority that cannot be is refused', () => {
  expect(() => every('x', '1m', { task: tidy, queue: '' })).toThrow(
    'expected queue of "x" to be 1 to 200 characters, none of them a control character, got 0 characters',
  )
  expect(() => every('x', '1m', { task: tidy, priority: 1.5 })).toThrow('expected priority of "x" to be a whole number')
})
