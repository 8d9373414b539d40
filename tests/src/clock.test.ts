import { afterEach, expect, jest, test } from 'bun:test'
import { systemClock } from 'tq-edge'

afterEach(() => void jest.useRealTimers())

const DAY_MS = 86_400_000

test('a timer longer than the platform takes runs at its time, once', () => {
  jest.useFakeTimers()
  let runs = 0
  systemClock.after(40 * DAY_MS, () => runs++)
  jest.advanceTimersByTime(40 * DAY_MS - 1)
  expect(runs).toBe(0)
  jest.advanceTimersByTime(1)
  expect(runs).toBe(1)
})

test('a timer longer than the platform takes is cancelled at any time', () => {
  jest.useFakeTimers()
  let runs = 0
  const cancel = systemClock.after(40 * DAY_MS, () => runs++)
  jest.advanceTimersByTime(30 * DAY_MS)
  cancel()
  jest.advanceTimersByTime(30 * DAY_MS)
  expect(runs).toBe(0)
})
