import { expect, test } from 'bun:test'
import { cron, every, fromDefinition, toDefinition } from 'tq-edge/scheduler'
import { tidy } from './support.ts'

const digest = cron('digest', '0 7 * * 1-5', {
  task: tidy,
  timezone: 'Europe/Oslo',
  input: { to: 'a' },
  queue: 'mail',
  priority: 3,
})
const urls = every('urls', '30s', { task: tidy })

for (const schedule of [digest, urls])
  test(`another process rebuilds the schedule "${schedule.name}" from its definition`, () => {
    const rebuilt = fromDefinition({ name: schedule.name, definition: toDefinition(schedule) })
    expect({ ...rebuilt, next: null }).toEqual({ ...schedule, next: null } as never)
    const nowMs = Date.UTC(2026, 0, 9, 12)
    expect(rebuilt?.next(nowMs)).toBe(schedule.next(nowMs) as number)
  })

test('the same schedule has the same definition, another one another', () => {
  expect(toDefinition(urls)).toBe(toDefinition(every('urls', 30_000, { task: tidy })))
  expect(toDefinition(urls)).not.toBe(toDefinition(every('urls', 30_000, { task: tidy, priority: 1 })))
})

test('fields of a later version that changes nothing for this one are passed over', () => {
  const later = JSON.stringify({ ...JSON.parse(toDefinition(urls)), note: 'new' })
  expect(fromDefinition({ name: 'urls', definition: later })?.rule).toEqual(urls.rule)
})

const stored = JSON.parse(toDefinition(urls))
for (const [what, definition] of [
  ['no JSON', '{'],
  ['no object', '[]'],
  ['a newer version', JSON.stringify({ ...stored, v: 2 })],
  ['an unknown kind of rule', JSON.stringify({ ...stored, rule: { kind: 'solar', event: 'dusk' } })],
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
