/**
 * Schedules by the sun, against another calculation of another author: astronomy-engine, which follows the VSOP87 theory of the
 * planets and is good to an arc minute.
 *
 * How near they must be: ours rounds to the minute, which is 30 s. Away from polar days and nights the two differ by less than
 * 15 s between the polar circles, by less than 90 s beyond them, where the sun crosses the horizon so slowly that a few arc seconds
 * are a minute. On the first and the last days of a season with an event, it touches its altitude rather than crosses it: there the
 * two may be further apart, and one may have a day more than the other.
 */
import { expect, test } from 'bun:test'
import { Body, Observer, SearchAltitude, SearchHourAngle, SearchRiseSet } from 'astronomy-engine'
import { InvalidOption } from 'tq-edge'
import { deploySchedules, fromDefinition, tick, toDefinition } from 'tq-edge/scheduler'
import { type SolarEvent, type SolarRule, solar } from 'tq-edge/scheduler/solar'
import { appWith, createScene, dueTimes, dueTimesOf, tidy } from './support.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const YEAR = [Date.UTC(2026, 0), Date.UTC(2027, 0)] as const

/** The sun's altitude at each event, and whether it rises then. The upper limb on the horizon, with refraction, is null. */
const EVENTS: readonly (readonly [SolarEvent, number | null, 1 | -1])[] = [
  ['sunrise', null, 1],
  ['sunset', null, -1],
  ['civilDawn', -6, 1],
  ['civilDusk', -6, -1],
  ['nauticalDawn', -12, 1],
  ['nauticalDusk', -12, -1],
  ['astronomicalDawn', -18, 1],
  ['astronomicalDusk', -18, -1],
]

const PLACES: readonly (readonly [string, number, number])[] = [
  ['Quito', -0.18, -78.47],
  ['Oslo', 59.91, 10.75],
  ['Ushuaia', -54.8, -68.3],
  ['Tromsø', 69.65, 18.96],
  ['Longyearbyen', 78.22, 15.65],
  ['McMurdo', -77.85, 166.67],
]

const dueIn2026 = (rule: SolarRule) => dueTimes(solar('x', rule, { task: tidy }), YEAR[0], YEAR[1])

function calculatedIn2026(altitude: number | null, direction: 1 | -1, latitude: number, longitude: number): number[] {
  const place = new Observer(latitude, longitude, 0)
  const times: number[] = []
  for (let fromMs: number = YEAR[0]; ; fromMs = (times.at(-1) ?? 0) + 20 * HOUR_MS) {
    const date = new Date(fromMs)
    const found =
      altitude === null
        ? SearchRiseSet(Body.Sun, place, direction, date, 400)
        : SearchAltitude(Body.Sun, place, direction, date, 400, altitude)
    const atMs = found?.date.getTime()
    if (atMs === undefined || atMs >= YEAR[1]) return times
    times.push(atMs)
  }
}

/** Without those within three days of a time without the event. */
function inSeason(times: readonly number[], all: readonly number[]): number[] {
  const near = (atMs: number, byDays: number) =>
    all.some((other) => Math.abs(other - atMs - byDays * DAY_MS) < DAY_MS / 2)
  const inYear = (atMs: number) => atMs > YEAR[0] + 4 * DAY_MS && atMs < YEAR[1] - 4 * DAY_MS
  return times.filter((atMs) => inYear(atMs) && [-3, -2, -1, 1, 2, 3].every((byDays) => near(atMs, byDays)))
}

test.each(PLACES)('all year in %s each event is when another calculation has it', (_, latitude, longitude) => {
  const toleranceMs = 30_000 + (Math.abs(latitude) < 66 ? 15_000 : 90_000)
  for (const [event, altitude, direction] of EVENTS) {
    const due = dueIn2026({ event, latitude, longitude })
    const calculated = calculatedIn2026(altitude, direction, latitude, longitude)
    const all = [...due, ...calculated]
    const far = inSeason(due, all).filter((atMs) => !calculated.some((other) => Math.abs(other - atMs) <= toleranceMs))
    const left = inSeason(calculated, all).filter((atMs) => !due.some((other) => Math.abs(other - atMs) <= toleranceMs))
    expect({ event, far: far.map(toIso), left: left.map(toIso) }).toEqual({ event, far: [], left: [] })
    expect(Math.abs(due.length - calculated.length)).toBeLessThanOrEqual(2)
  }
})
const toIso = (ms: number) => new Date(ms).toISOString()

test('solar noon is when the sun is highest, on each day of the year and everywhere', () => {
  for (const [, latitude, longitude] of PLACES) {
    const due = dueIn2026({ event: 'noon', latitude, longitude })
    expect(due).toHaveLength(365)
    for (const dueAtMs of due) {
      const found = SearchHourAngle(Body.Sun, new Observer(latitude, longitude, 0), 0, new Date(dueAtMs - DAY_MS / 2))
      expect(Math.abs(found.time.date.getTime() - dueAtMs)).toBeLessThanOrEqual(45_000)
    }
  }
})

/** From the tables of the US Naval Observatory, which are to the minute as well. */
test.each([
  ['sunrise', 61.216667, -149.866667, '2020-06-15T12:21Z'],
  ['sunset', 61.216667, -149.866667, '2020-06-15T07:40Z'],
  ['sunrise', 61.216667, -149.866667, '2020-12-15T19:10Z'],
  ['sunset', 61.216667, -149.866667, '2020-12-15T00:40Z'],
  ['civilDawn', 61.216667, -149.866667, '2020-03-15T15:31Z'],
  ['civilDusk', 61.216667, -149.866667, '2020-03-15T04:44Z'],
  ['sunrise', -36.833333, 174.8, '2020-06-15T19:32Z'],
  ['sunset', -36.833333, 174.8, '2020-06-15T05:11Z'],
  ['sunrise', -15.8, -47.85, '2020-03-15T09:15Z'],
  ['sunset', -15.8, -47.85, '2020-03-15T21:25Z'],
  ['sunrise', 1.283333, 103.833333, '2020-09-15T22:56Z'],
  ['sunset', 1.283333, 103.833333, '2020-09-15T11:03Z'],
  ['civilDawn', 1.283333, 103.833333, '2023-09-15T22:36Z'],
  ['civilDusk', 1.283333, 103.833333, '2023-09-15T11:24Z'],
] as const)('%s at %d, %d is due at %s as published, to the minute', (event, latitude, longitude, published) => {
  const { next } = solar('x', { event, latitude, longitude }, { task: tidy })
  const publishedMs = Date.parse(published)
  expect(Math.abs((next(publishedMs - DAY_MS / 2) ?? 0) - publishedMs)).toBeLessThanOrEqual(60_000)
})

const TROMSO = { latitude: 69.65, longitude: 18.96 }

test('over a polar night and a polar day it waits for the next event', () => {
  const rise = solar('x', { event: 'sunrise', ...TROMSO }, { task: tidy })
  const days = ['2026-12-01T00:00Z', '2026-06-01T00:00Z'].map((after) =>
    toIso(rise.next(Date.parse(after)) ?? 0).slice(0, 10),
  )
  expect(days).toEqual(['2027-01-15', '2026-07-25'])
})

test('where the sun but touches the horizon no event is hours away from the days beside it, and none comes twice', () => {
  for (const [latitude, longitude] of [
    [66, 10],
    [-69.5, 10],
    [-77.5, -170],
    [70, 10],
  ] as const)
    for (const event of ['sunrise', 'sunset', 'civilDusk'] as const) {
      const due = dueIn2026({ event, latitude, longitude })
      const gaps = due.slice(1).map((dueAtMs, at) => dueAtMs - (due[at] ?? 0))
      const odd = gaps.filter(
        (gapMs) => Math.abs(gapMs - Math.round(gapMs / DAY_MS) * DAY_MS) > 2 * HOUR_MS && gapMs < 5 * DAY_MS,
      )
      expect(odd).toEqual([])
    }
})

test('where there is no such event all year, as at a pole, it is never due, and is looked for in vain only so long', () => {
  const atPole = (event: SolarEvent) => solar('x', { event, latitude: 90, longitude: 0 }, { task: tidy }).next(YEAR[0])
  expect((['sunrise', 'sunset', 'civilDusk', 'astronomicalDawn'] as const).map(atPole)).toEqual([
    null,
    null,
    null,
    null,
  ])
  expect(atPole('noon')).not.toBeNull()
})

test('an offset moves it, also over midnight', () => {
  const oslo = { latitude: 59.91, longitude: 10.75 } as const
  const [plain] = dueIn2026({ event: 'sunset', ...oslo })
  for (const [offset, byMs] of [
    ['-30m', -1_800_000],
    ['1h30m', 5_400_000],
    [-86_400_000, -DAY_MS],
    ['+24h', DAY_MS],
    [0, 0],
  ] as const) {
    const { next } = solar('x', { event: 'sunset', ...oslo, offset }, { task: tidy })
    expect(next((plain ?? 0) + byMs - 1)).toBe((plain ?? 0) + byMs)
  }
})

test('the next due time is after the moment asked for, and never one of later moments is before it', () => {
  for (const rule of [
    { event: 'sunset', ...TROMSO },
    { event: 'nauticalDawn', latitude: -54.8, longitude: 179.9, offset: '-7h' },
  ] as const) {
    const { next } = solar('x', rule, { task: tidy })
    let latest = 0
    for (let atMs: number = YEAR[0]; atMs < YEAR[1]; atMs += 7 * HOUR_MS) {
      const due = next(atMs) as number
      expect(due).toBeGreaterThan(atMs)
      expect(due).toBeGreaterThanOrEqual(latest)
      expect(next(due - 1)).toBe(due)
      latest = due
    }
  }
})

test.each([
  [
    { event: 'dawn', latitude: 0, longitude: 0 } as never,
    'expected event of "x" to be one of sunrise, sunset, civilDawn',
  ],
  [
    { event: 'noon', latitude: 91, longitude: 0 },
    'expected latitude of "x" to be a number of degrees from -90 to 90, got 91',
  ],
  [
    { event: 'noon', latitude: 0, longitude: Number.NaN },
    'expected longitude of "x" to be a number of degrees from -180 to 180, got NaN',
  ],
  [
    { event: 'noon', latitude: 0, longitude: 0, offset: 'soon' },
    'expected offset of "x" to be whole milliseconds or a text such as "45m" or "-1h30m", at most a day, got "soon"',
  ],
  [{ event: 'noon', latitude: 0, longitude: 0, offset: '25h' }, 'got "25h"'],
] as const)('%j is refused where it is declared', (rule, says) => {
  const declare = () => solar('x', rule, { task: tidy })
  expect(declare).toThrow(InvalidOption)
  expect(declare).toThrow(says)
})

test('it is fired like any other; a beat without it in its app leaves it alone', async () => {
  const scene = createScene('2026-06-21T12:00:00Z')
  const lamps = solar('lamps', { event: 'sunset', latitude: 59.91, longitude: 10.75, offset: '-30m' }, { task: tidy })
  await deploySchedules({ app: appWith(lamps), ...scene, stampMs: 1 })
  await scene.clock.advance(DAY_MS / 2)
  expect((await tick({ app: appWith(), ...scene })).fired).toBe(0)
  expect(scene.events.map(({ kind }) => kind)).toEqual(['beat.unknown'])
  expect((await tick({ app: appWith(lamps), ...scene })).fired).toBe(1)
  expect(await dueTimesOf(scene.broker)).toEqual(['2026-06-21T20:14:00.000Z'])
  const stored = { name: 'lamps', definition: toDefinition(lamps) }
  expect([fromDefinition(stored), fromDefinition(stored, [lamps])?.next]).toEqual([null, lamps.next])
  expect(lamps.rule).toEqual({
    kind: 'solar',
    event: 'sunset',
    latitude: 59.91,
    longitude: 10.75,
    offsetMs: -1_800_000,
  } as never)
})
