import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { InvalidOption } from 'tq-edge'
import { at, cron, custom, every } from 'tq-edge/scheduler'
import { dueTimes, tidy } from './support.ts'

const day = (date: number, hour = 0) => Date.UTC(2026, 0, date, hour)

test('a schedule is due from startAt to endAt, both included', () => {
  const daily = cron('x', '0 7 * * *', { task: tidy, startAt: day(5, 7), endAt: new Date(day(7, 7)) })
  expect(dueTimes(daily, day(1), day(31))).toEqual([day(5, 7), day(6, 7), day(7, 7)])
  expect(daily.next(day(7, 7))).toBeNull()
})

test('one that has ended is not due again, one that has not begun is due at its first time', () => {
  const { next } = every('x', '1h', { task: tidy, startAt: '2026-01-05T00:30Z', endAt: '2026-01-05T02:30Z' })
  expect([next(0), next(day(5, 1)), next(day(5, 2)), next(day(9))]).toEqual([day(5, 1), day(5, 2), null, null])
})

test('one that is not enabled is never due', () => {
  expect(every('x', '1h', { task: tidy, enabled: false }).next(0)).toBeNull()
  expect(every('x', '1h', { task: tidy, enabled: true }).rule).toEqual(every('x', '1h', { task: tidy }).rule)
})

test('an end before the start, and what is no moment, is refused', () => {
  const declare = () => cron('x', '@daily', { task: tidy, startAt: day(5), endAt: day(4) })
  expect(declare).toThrow(InvalidOption)
  expect(declare).toThrow('expected endAt of "x" to be at or after its startAt, got 86400000 ms before it')
  expect(() => every('x', '1h', { task: tidy, startAt: '2026-01-05' })).toThrow('expected startAt of "x" to be a Date')
  expect(() => every('x', '1h', { task: tidy, endAt: Number.NaN })).toThrow('expected endAt of "x" to be a Date')
  // @ts-expect-error what is due once has no end
  expect(at('x', day(5), { task: tidy, endAt: day(6) }).next(0)).toBe(day(5))
})

test('it ends after as many due times as it may have, counted from startAt wherever it is asked', () => {
  const thrice = { task: tidy, startAt: day(5), maxRuns: 3 }
  const daily = cron('x', '0 7 * * *', thrice)
  expect(dueTimes(daily, day(1), day(31))).toEqual([day(5, 7), day(6, 7), day(7, 7)])
  expect([daily.next(day(6)), daily.next(day(7)), daily.next(day(7, 7)), daily.next(day(9))]).toEqual([
    day(6, 7),
    day(7, 7),
    null,
    null,
  ])
  expect(dueTimes(every('x', '1d', { ...thrice, jitterMs: 60_000 }), day(1), day(31))).toHaveLength(3)
  expect(dueTimes(every('x', '1d', { ...thrice, endAt: day(6) }), day(1), day(31))).toEqual([day(5), day(6)])
  expect(dueTimes(cron('x', '0 0 0 6 1 * 2026', thrice), day(1), day(31))).toEqual([day(6)])
})

test('the last of its due times is found once, and not each time that it is asked', () => {
  let asked = 0
  const next = (afterMs: number) => {
    asked++
    return afterMs + 60_000
  }
  const rule = custom('x', { next }, { task: tidy, startAt: day(5), maxRuns: 1_000 })
  for (let at = 0; at < 10; at++) rule.next(day(5, at))
  expect(asked).toBe(1_010)
})

test('a number of runs that cannot be, or that counts from nowhere, is refused', () => {
  for (const maxRuns of [0, -1, 1.5, 1_001, Number.NaN])
    expect(() => every('x', '1h', { task: tidy, startAt: day(5), maxRuns })).toThrow(
      `expected maxRuns of "x" to be a whole number from 1 to 1000, got ${maxRuns}`,
    )
  expect(() => every('x', '1h', { task: tidy, maxRuns: 3 })).toThrow(
    'expected startAt of "x" to be given with maxRuns, which counts from it, got none',
  )
})

for (const jitterMs of [-1, 0.5, Number.NaN, 86_400_001])
  test(`a jitter of ${jitterMs} ms is refused`, () => {
    expect(() => every('x', '1h', { task: tidy, jitterMs })).toThrow(
      `expected jitterMs of "x" to be whole milliseconds, at most a day, got ${jitterMs}`,
    )
  })

test('jitter moves every due time of a schedule by the same, up to what is given', () => {
  const plain = cron('digest', '0 7 * * *', { task: tidy })
  const moved = cron('digest', '0 7 * * *', { task: tidy, jitterMs: 600_000 })
  const byMs = dueTimes(moved, day(1), day(9)).map(
    (dueAtMs, at) => dueAtMs - (dueTimes(plain, day(1), day(9))[at] ?? 0),
  )
  expect(byMs).toEqual(byMs.map(() => byMs[0] as number))
  expect(byMs).toHaveLength(8)
  expect(byMs[0]).toBeGreaterThan(0)
  expect(byMs[0]).toBeLessThanOrEqual(600_000)
})

test('jitter spreads the schedules of one pattern evenly by their names', () => {
  const tenths = Array.from({ length: 10 }, () => 0)
  for (let at = 0; at < 1_000; at++) {
    const { next } = cron(`shop/${at}`, '@daily', { task: tidy, jitterMs: 999 })
    const tenth = Math.floor(((next(day(1)) as number) % 1_000) / 100)
    tenths[tenth] = (tenths[tenth] ?? 0) + 1
  }
  expect(Math.min(...tenths)).toBeGreaterThan(60)
  expect(Math.max(...tenths)).toBeLessThan(140)
})

test('jitter is later than the bounds of what it moves, and loses none of it', () => {
  const { next } = cron('digest', '0 7 * * *', { task: tidy, jitterMs: 600_000, startAt: day(5, 7), endAt: day(6, 7) })
  expect(dueTimes({ next }, day(1), day(31))).toHaveLength(2)
  expect(at('launch', day(5), { task: tidy, jitterMs: 600_000 }).next(0)).toBeGreaterThan(day(5))
})

test('within its bounds and jitter, the next due time is after the moment asked for', () => {
  const moment = fc.integer({ min: day(1), max: day(20) })
  fc.assert(
    fc.property(moment, moment, moment, fc.integer({ min: 0, max: 7_200_000 }), (atMs, a, b, jitterMs) => {
      const [startAt, endAt] = [Math.min(a, b), Math.max(a, b)]
      const due = every('x', '7m', { task: tidy, startAt, endAt, jitterMs }).next(atMs)
      const latestMs = Math.floor(endAt / 420_000) * 420_000
      if (due === null) return expect(latestMs < startAt || latestMs <= atMs).toBe(true)
      expect(due).toBeGreaterThan(atMs)
      expect(due).toBeGreaterThanOrEqual(startAt)
      expect(due).toBeLessThanOrEqual(endAt + jitterMs)
    }),
    { seed: 2026 },
  )
})
