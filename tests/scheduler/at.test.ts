import { expect, test } from 'bun:test'
import { InvalidOption } from 'tq-edge'
import { at } from 'tq-edge/scheduler'
import { tidy } from './support.ts'

const launchMs = Date.UTC(2027, 0, 9, 8)

for (const moment of [launchMs, new Date(launchMs), '2027-01-09T08:00Z', '2027-01-09T09:00:00.000+01:00'])
  test(`what is due at ${typeof moment} ${moment} is due once`, () => {
    const { next, rule } = at('launch', moment, { task: tidy })
    expect(rule).toEqual({ kind: 'at', atMs: launchMs })
    expect([next(0), next(launchMs - 1), next(launchMs), next(launchMs + 1)]).toEqual([launchMs, launchMs, null, null])
  })

for (const [moment, got] of [
  ['2027-01-09', '"2027-01-09"'],
  ['2027-01-09T08:00', '"2027-01-09T08:00"'],
  ['2027-02-30T08:00Z', '"2027-02-30T08:00Z"'],
  ['2027-01-09T25:00Z', '"2027-01-09T25:00Z"'],
  ['tomorrow', '"tomorrow"'],
  [new Date('nope'), 'Invalid Date'],
  [Number.NaN, 'NaN'],
  [1.5, '1.5'],
  [-1, '-1'],
  [1e18, '1000000000000000000'],
] as const)
  test(`the moment ${got} is refused with the forms that are supported`, () => {
    const declare = () => at('launch', moment, { task: tidy })
    expect(declare).toThrow(InvalidOption)
    expect(declare).toThrow(
      `expected moment of "launch" to be a Date, milliseconds since the epoch, or a text with its offset such as "2026-03-29T07:00:00Z" or "2026-03-29T09:00+02:00", got ${got}`,
    )
  })
