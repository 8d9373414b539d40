import { expect, test } from 'bun:test'
import { toTime } from '../../cli/times.ts'

test('a moment is told to the second, also one that no calendar has', () => {
  expect(toTime(Date.UTC(2026, 0, 5, 12))).toBe('2026-01-05T12:00:00Z')
  expect(toTime(null)).toBe('-')
  expect(toTime(8.64e15 + 1)).toBe('+275760-09-13T00:00:00Z')
})
