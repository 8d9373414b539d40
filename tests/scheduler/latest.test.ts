import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { cron, every } from 'tq-edge/scheduler'
import { latestDue } from '../../scheduler/latest.ts'
import { dueTimes, tidy } from './support.ts'

const schedules = [
  every('seconds', '7s', { task: tidy }),
  cron('hours', '17 3-5 * * *', { task: tidy }),
  cron('workdays', '*/20 8-16 * * 1-5', { task: tidy, timezone: 'America/New_York' }),
  cron('nights', '30 2 * * *', { task: tidy, timezone: 'Europe/Oslo' }),
  cron('bursts', '*/5 * 3 1 * *', { task: tidy }),
]

for (const schedule of schedules)
  test(`the latest due time of "${schedule.name}" is the last that stepping through them all finds`, () => {
    const start = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2027, 0, 1) })
    fc.assert(
      fc.property(start, fc.integer({ min: 0, max: 3 * 86_400_000 }), (afterMs, passedMs) => {
        const dueAtMs = schedule.next(afterMs) as number
        const nowMs = dueAtMs + (schedule.name === 'seconds' ? passedMs % 600_000 : passedMs)
        const expected = dueTimes(schedule, dueAtMs, nowMs).at(-1) ?? dueAtMs
        expect(latestDue(schedule.next, dueAtMs, nowMs)).toBe(expected)
      }),
      { numRuns: 20, seed: 2026 },
    )
  })

test('a rule that has come to its end is as due as its last time', () => {
  const { next } = cron('x', '0 0 0 1 1 * 2026', { task: tidy })
  expect(latestDue(next, Date.UTC(2026, 0, 1), Date.UTC(2030, 0, 1))).toBe(Date.UTC(2026, 0, 1))
})

test('a schedule of every second finds its latest after ten years with a few looks', () => {
  const { next } = cron('x', '* * * * * *', { task: tidy })
  let looks = 0
  const counting = (afterMs: number) => {
    looks++
    return next(afterMs)
  }
  expect(latestDue(counting, 1_000, Date.UTC(2026, 0, 5) + 999)).toBe(Date.UTC(2026, 0, 5))
  expect(looks).toBeLessThan(50)
})
