/** Why a schedule is due when it is. */
import { expect, test } from 'bun:test'
import type { Schedule } from 'tq-edge'
import { at, cron, custom, every } from 'tq-edge/scheduler'
import { toZonedTime } from '../../cli/times.ts'
import { zoneOffset } from '../../scheduler/zone.ts'
import { tidy, upcoming } from './support.ts'

const oslo = zoneOffset('x', 'Europe/Oslo')

/** Each due time by the clocks of Oslo, with its reason. */
function told(schedule: Schedule, after: string, count: number): string[] {
  return upcoming(schedule, { afterMs: Date.parse(after), count }).map(
    ({ dueAtMs, reason }) => `${toZonedTime(dueAtMs, oslo).slice(5)} ${reason}`,
  )
}

const inOslo = (pattern: string) => cron('x', pattern, { task: tidy, timezone: 'Europe/Oslo' })

test('on usual days it is due by its rule alone', () => {
  expect(told(inOslo('30 2 * * *'), '2026-03-26T12:00Z', 2)).toEqual([
    '03-27T02:30:00+01:00 plain',
    '03-28T02:30:00+01:00 plain',
  ])
  expect(told(every('x', '6h', { task: tidy }), '2026-03-29T00:00Z', 1)).toEqual(['03-29T08:00:00+02:00 plain'])
  expect(told(at('x', '2026-03-29T01:00Z', { task: tidy }), '2026-03-01T00:00Z', 5)).toEqual([
    '03-29T03:00:00+02:00 plain',
  ])
})

test('what is due at the end of a gap says which time is skipped', () => {
  const gap = 'skipped, due at the end of the gap'
  for (const [pattern, reason] of [
    ['30 2 * * *', `dst: 02:30 is ${gap}`],
    ['0 3 * * *', 'plain'],
    ['0,30 2 * * *', `dst: 02:00 and others are ${gap}`],
    ['0 2,3 * * *', `dst: 02:00 is ${gap}`],
    ['59 59 2 * * *', `dst: 02:59:59 is ${gap}`],
    ['0 * * * *', 'plain'],
  ] as const)
    expect([pattern, ...told(inOslo(pattern), '2026-03-29T00:59:59Z', 1)]).toEqual([
      pattern,
      `03-29T03:00:00+02:00 ${reason}`,
    ])
})

test('what the clocks show twice is due once and says so, or both times where the hours are all covered', () => {
  expect(told(inOslo('30 2,3 * * *'), '2026-10-25T00:00Z', 2)).toEqual([
    '10-25T02:30:00+02:00 dst: 02:30 comes twice, due the first time alone',
    '10-25T03:30:00+01:00 plain',
  ])
  expect(told(inOslo('0 * * * *'), '2026-10-24T23:00Z', 3)).toEqual([
    '10-25T02:00:00+02:00 dst: 02:00 comes twice, due both times',
    '10-25T02:00:00+01:00 dst: 02:00 comes twice, due both times',
    '10-25T03:00:00+01:00 plain',
  ])
})

test('jitter and the clocks are told together', () => {
  const schedule = cron('x', '30 2 * * *', { task: tidy, timezone: 'Europe/Oslo', jitterMs: 7_200_000 })
  const [spring, autumn] = ['2026-03-28T12:00Z', '2026-10-24T12:00Z'].map((after) => told(schedule, after, 1)[0])
  expect(spring).toEndWith('dst: 02:30 is skipped, due at the end of the gap; jitter: 4642.106 s later')
  expect(autumn).toEndWith('dst: 02:30 comes twice, due the first time alone; jitter: 4642.106 s later')
})

test('the first and the last within its bounds say so', () => {
  const bounds = { startAt: '2026-01-05T00:00Z', maxRuns: 3 }
  expect(told(every('x', '1d', { task: tidy, ...bounds }), '2026-01-01T00:00Z', 9)).toEqual([
    '01-05T01:00:00+01:00 bounds: the first from startAt on',
    '01-06T01:00:00+01:00 plain',
    '01-07T01:00:00+01:00 bounds: the last, by maxRuns',
  ])
  const both = { startAt: '2026-01-05T00:00Z', endAt: '2026-01-05T12:00Z', maxRuns: 3 }
  expect(
    told(custom('x', { next: (afterMs) => afterMs + 86_400_000 }, { task: tidy, ...both }), '2026-01-01T00:00Z', 9),
  ).toEqual([])
  expect(told(every('x', '1d', { task: tidy, ...both }), '2026-01-01T00:00Z', 9)).toEqual([
    '01-05T01:00:00+01:00 bounds: the first from startAt on; bounds: the last, by endAt or maxRuns',
  ])
})
