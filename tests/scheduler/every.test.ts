import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { InvalidOption } from 'tq-edge'
import { every } from 'tq-edge/scheduler'
import { tidy } from './support.ts'

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

test('a text and its milliseconds are the same rule', () => {
  expect(every('x', '1h30m', { task: tidy }).rule).toEqual(every('x', 5_400_000, { task: tidy }).rule)
})

for (const [interval, got] of [
  ['5 minutes', '"5 minutes"'],
  ['', '""'],
  ['0s', '"0s"'],
  ['500w', '"500w"'],
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
      `expected interval of "urls" to be whole milliseconds or a text such as "30s", "5m", "1h30m" (units w d h m s ms), from 100 ms to 366 days, got ${got}`,
    )
  })

test('a queue that no producer may name is refused', () => {
  for (const queue of ['', 'a\nb', 'a'.repeat(201)])
    expect(() => every('urls', '5m', { task: tidy, queue })).toThrow('queue of "urls"')
})
