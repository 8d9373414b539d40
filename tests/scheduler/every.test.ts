import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { InvalidOption } from 'tq-edge'
import { every } from 'tq-edge/scheduler'
import { dueTimes, tidy } from './support.ts'

test('the next due time is the first multiple of the interval after the moment asked for', () => {
  const interval = fc.integer({ min: 100, max: 366 * 86_400_000 })
  fc.assert(
    fc.property(interval, fc.integer({ min: 0, max: 4_102_444_800_000 }), (everyMs, afterMs) => {
      const due = every('x', everyMs, { task: tidy }).next(afterMs) as number
      expect(due % everyMs).toBe(0)
      expect(due).toBeGreaterThan(afterMs)
      expect(due - everyMs).toBeLessThanOrEqual(afterMs)
    }),
    { seed: 2026 },
  )
})

test('a text, one of ISO 8601, and its milliseconds are the same rule', () => {
  for (const text of ['1h30m', 'PT1H30M', 'PT90M'])
    expect(every('x', text, { task: tidy }).rule).toEqual(every('x', 5_400_000, { task: tidy }).rule)
})

test('aligned to the first, it is due at startAt and at each interval after it', () => {
  const { next } = every('x', '36h', { task: tidy, align: 'first', startAt: '2026-01-05T09:30Z' })
  const due = dueTimes({ next }, Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 10))
  expect(due.map((at) => new Date(at).toISOString())).toEqual([
    '2026-01-05T09:30:00.000Z',
    '2026-01-06T21:30:00.000Z',
    '2026-01-08T09:30:00.000Z',
    '2026-01-09T21:30:00.000Z',
  ])
})

test('aligned to the first without startAt, it counts from the moment asked for', () => {
  expect(every('x', '36h', { task: tidy, align: 'first' }).next(1_234)).toBe(36 * 3_600_000 + 1_234)
})

test('aligned to the clock, startAt is only the earliest moment', () => {
  const { next } = every('x', '1h', { task: tidy, startAt: '2026-01-05T09:30Z' })
  expect(next(0)).toBe(Date.UTC(2026, 0, 5, 10))
})

test('an interval goes by elapsed time, whatever the clocks do', () => {
  const { next } = every('x', '1d', { task: tidy })
  expect(next(Date.parse('2026-03-28T12:00Z'))).toBe(Date.parse('2026-03-29T00:00Z'))
  expect(next(Date.parse('2026-03-29T12:00Z'))).toBe(Date.parse('2026-03-30T00:00Z'))
})

test('another alignment is refused', () => {
  const align = 'start' as 'first'
  expect(() => every('urls', '5m', { task: tidy, align })).toThrow(
    'align of "urls" to be "clock" or "first", got "start"',
  )
})

for (const [interval, got] of [
  ['5 minutes', '"5 minutes"'],
  ['', '""'],
  ['0s', '"0s"'],
  ['500w', '"500w"'],
  ['P1M', '"P1M"'],
  [5, '5'],
  [-1_000, '-1000'],
  [1_000.5, '1000.5'],
  [Number.NaN, 'NaN'],
  [Number.POSITIVE_INFINITY, 'Infinity'],
] as const)
  test(`an interval of ${got} is refused with the forms that are supported`, () => {
    const declare = () => every('urls', interval, { task: tidy })
    expect(declare).toThrow(InvalidOption)
    expect(declare).toThrow(
      `expected interval of "urls" to be whole milliseconds or a text such as "30s", "5m", "1h30m" (units w d h m s ms) or "PT30S" (without years and months), from 100 ms to 366 days, got ${got}`,
    )
  })

test('a queue that no producer may name is refused', () => {
  for (const queue of ['', 'a\nb', 'a'.repeat(201)])
    expect(() => every('urls', '5m', { task: tidy, queue })).toThrow('queue of "urls"')
})
