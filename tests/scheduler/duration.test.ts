import { expect, test } from 'bun:test'
import { parseDuration } from '../../scheduler/duration.ts'

const good: [string, number][] = [
  ['250ms', 250],
  ['30s', 30_000],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['1h30m', 5_400_000],
  ['1d', 86_400_000],
  ['2w', 1_209_600_000],
  ['1m500ms', 60_500],
  ['1w2d3h4m5s6ms', 788_645_006],
  ['0s', 0],
]
for (const [text, ms] of good) test(`"${text}" is ${ms} ms`, () => expect(parseDuration(text)).toBe(ms))

for (const text of ['', ' ', '30', 's', '30 s', '-5m', '1.5h', '30m1h', '5m5m', '5M', '5min', '1e3s', '1h30', '٣s'])
  test(`"${text}" is no duration`, () => expect(parseDuration(text)).toBeNull())
