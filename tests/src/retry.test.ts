import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { defineTask, exponential, fixed, type Jitter, list, NonRetryable, RetryAfter } from 'tq-edge'
import { InvalidInput } from '../../src/errors.ts'
import { decideRetry, type RetryPolicy } from '../../src/retry.ts'

const half = () => 0.5
const delays = (backoff: (attempt: number, random: () => number) => number, random = half) =>
  [1, 2, 3, 4, 5, 20].map((attempt) => backoff(attempt, random))

test('fixed waits the same every time', () => {
  expect(delays(fixed({ delayMs: 700 }))).toEqual([700, 700, 700, 700, 700, 700])
})

test('exponential doubles up to its maximum', () => {
  const backoff = exponential({ baseMs: 1_000, maxMs: 10_000, jitter: 'none' })
  expect(delays(backoff)).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000])
})

test('exponential grows by another factor', () => {
  const backoff = exponential({ baseMs: 10, maxMs: 1_000, factor: 3, jitter: 'none' })
  expect(delays(backoff)).toEqual([10, 30, 90, 270, 810, 1_000])
})

test('list goes through its delays, the last one serves all that follow', () => {
  expect(delays(list([5, 60, 600]))).toEqual([5, 60, 600, 600, 600, 600])
})

test.each<[Jitter, number, number]>([
  ['none', 1_000, 1_000],
  ['full', 0, 1_000],
  ['equal', 500, 1_000],
])('jitter %s stays between %d and %d of 1,000', (jitter, min, max) => {
  const kinds = [
    fixed({ delayMs: 1_000, jitter }),
    exponential({ baseMs: 1_000, maxMs: 1_000, jitter }),
    list([1_000], { jitter }),
  ]
  for (const backoff of kinds) {
    expect(backoff(1, () => 0)).toBe(min)
    expect(backoff(1, () => 1 - Number.EPSILON)).toBe(max)
  }
})

test('every backoff is a whole number of milliseconds within its bounds', () => {
  const jitter = fc.constantFrom<Jitter>('none', 'full', 'equal')
  const holds = fc.property(
    fc.integer({ min: 1, max: 10_000 }),
    fc.integer({ min: 0, max: 1e9 }),
    fc.integer({ min: 0, max: 1e9 }),
    jitter,
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    (attempt, baseMs, maxMs, kind, random) => {
      const delayMs = exponential({ baseMs, maxMs, jitter: kind })(attempt, () => random)
      expect(Number.isInteger(delayMs)).toBe(true)
      expect(delayMs).toBeGreaterThanOrEqual(0)
      expect(delayMs).toBeLessThanOrEqual(maxMs)
    },
  )
  fc.assert(holds, { seed: 2_026 })
})

test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('a delay of %p ms is refused where it is written', (ms) => {
  const wrong = expect.objectContaining({ name: 'InvalidOption' })
  expect(() => fixed({ delayMs: ms })).toThrow(wrong)
  expect(() => exponential({ baseMs: ms, maxMs: 1 })).toThrow(wrong)
  expect(() => exponential({ baseMs: 1, maxMs: ms })).toThrow(wrong)
  expect(() => exponential({ baseMs: 1, maxMs: 1, factor: Math.min(ms, 0.5) })).toThrow(wrong)
  expect(() => list([1, ms])).toThrow(wrong)
})

test('a list of no delays is refused', () => {
  expect(() => list([])).toThrow(expect.objectContaining({ name: 'InvalidOption', option: 'delaysMs' }))
})

test.each([0, 1.5, -1, Number.NaN])('maxAttempts of %p is refused where the task is defined', (maxAttempts) => {
  const define = () => defineTask({ name: 'mail', retry: { maxAttempts }, run() {} })
  expect(define).toThrow(expect.objectContaining({ name: 'InvalidOption' }))
})

const policy: RetryPolicy = { maxAttempts: 3, backoff: fixed({ delayMs: 70 }) }
const later = { kind: 'retry', delayMs: 70 } as const
const usedUp = { kind: 'failed', reason: 'attempts used up' } as const
const forGood = { kind: 'failed', reason: 'not retryable' } as const

test.each<[string, Error, number, RetryPolicy, ReturnType<typeof decideRetry>]>([
  ['an error on the first attempt', new Error(), 1, policy, later],
  ['an error on the last attempt', new Error(), 3, policy, usedUp],
  ['an error after a policy that has become shorter', new Error(), 9, policy, usedUp],
  ['NonRetryable', new NonRetryable(), 1, policy, forGood],
  ['an input that fails its schema', new InvalidInput('mail', []), 1, policy, forGood],
  ['RetryAfter', new RetryAfter(9), 1, policy, { kind: 'retry', delayMs: 9 }],
  ['RetryAfter on the last attempt', new RetryAfter(9), 3, policy, usedUp],
  ['an error that retryIf refuses', new Error(), 1, { ...policy, retryIf: () => false }, forGood],
  [
    'RetryAfter although retryIf refuses',
    new RetryAfter(9),
    1,
    { retryIf: () => false },
    { kind: 'retry', delayMs: 9 },
  ],
  ['an error without a policy', new Error(), 1, {}, { kind: 'retry', delayMs: 750 }],
  ['the fifth error without a policy', new Error(), 5, {}, usedUp],
])('%s is decided', (_what, error, attempt, given, decision) => {
  expect(decideRetry(error, attempt, given, half)).toEqual(decision)
})

test('RetryAfter refuses a time that cannot be', () => {
  expect(() => new RetryAfter(-1)).toThrow(expect.objectContaining({ name: 'InvalidOption' }))
})
