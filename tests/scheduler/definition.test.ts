import { expect, test } from 'bun:test'
import { at, cron, every, fromDefinition, toDefinition } from 'tq-edge/scheduler'
import { tidy } from './support.ts'

const digest = cron('digest', '0 7 * * 1-5', {
  task: tidy,
  timezone: 'Europe/Oslo',
  input: { to: 'a' },
  queue: 'mail',
  priority: 3,
})
const urls = every('urls', '30s', { task: tidy })

const bounds = { startAt: '2026-01-05T00:00Z', endAt: '2026-12-31T00:00Z', maxRuns: 9, jitterMs: 60_000 }
const bounded = cron('bounded', 'TZ=Asia/Tokyo 0 7 * * *', { task: tidy, ...bounds })
const first = every('first', '36h', { task: tidy, align: 'first', ...bounds })
const launch = at('launch', '2026-02-01T00:00Z', { task: tidy, jitterMs: 1_000 })
const off = every('off', '1h', { task: tidy, enabled: false })
const caughtUp = every('caught-up', '1h', { task: tidy, catchUp: { maxRuns: 3 } })

for (const schedule of [digest, urls, bounded, first, launch, off, caughtUp])
  test(`another process rebuilds the schedule "${schedule.name}" from its definition`, () => {
    const rebuilt = fromDefinition({ name: schedule.name, definition: toDefinition(schedule) })
    expect({ ...rebuilt, next: null }).toEqual({ ...schedule, next: null } as never)
    const nowMs = Date.UTC(2026, 0, 9, 12)
    expect(rebuilt?.next(nowMs)).toEqual(schedule.next(nowMs) as never)
  })

test('the same schedule has the same definition, another one another', () => {
  expect(toDefinition(urls)).toBe(toDefinition(every('urls', 30_000, { task: tidy })))
  expect(toDefinition(urls)).not.toBe(toDefinition(every('urls', 30_000, { task: tidy, priority: 1 })))
})

test('aligned to the first, an interval goes on from the due time that is stored, jitter or not', () => {
  for (const jitterMs of [0, 60_000]) {
    const definition = toDefinition(every('first', '7s', { task: tidy, align: 'first', jitterMs }))
    const due = fromDefinition({ name: 'first', definition, dueAtMs: 1_234 })
    expect([due?.next(1_234), due?.next(1_235), due?.next(30_000)]).toEqual([8_234, 8_234, 36_234])
  }
})

test('fields of a later version that changes nothing for this one are passed over', () => {
  const later = JSON.stringify({ ...JSON.parse(toDefinition(urls)), note: 'new' })
  expect(fromDefinition({ name: 'urls', definition: later })?.rule).toEqual(urls.rule)
})

const stored = JSON.parse(toDefinition(urls))
for (const [what, definition] of [
  ['no JSON', '{'],
  ['no object', '[]'],
  ['a newer version', JSON.stringify({ ...stored, v: 3 })],
  ['an unknown kind of rule', JSON.stringify({ ...stored, rule: { kind: 'lunar', event: 'full' } })],
  [
    'a zone this runtime lacks',
    JSON.stringify({ ...stored, rule: { kind: 'cron', pattern: '@daily', timezone: 'X' } }),
  ],
  [
    'a pattern of another dialect',
    JSON.stringify({ ...stored, rule: { kind: 'cron', pattern: 'H', timezone: 'UTC' } }),
  ],
  ['an impossible interval', JSON.stringify({ ...stored, rule: { kind: 'every', everyMs: 0 } })],
  ['a field missing', JSON.stringify({ ...stored, task: undefined })],
] as const)
  test(`a definition with ${what} is null, not a guess`, () => {
    expect(fromDefinition({ name: 'urls', definition })).toBeNull()
  })
