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
  ['PT30S', 30_000],
  ['PT0.25S', 250],
  ['PT1.001S', 1_001],
  ['PT1H30M', 5_400_000],
  ['P1DT12H', 129_600_000],
  ['P2W', 1_209_600_000],
]
for (const [text, ms] of good) test(`"${text}" is ${ms} ms`, () => expect(parseDuration(text)).toBe(ms))

for (const text of [
  '',
  ' ',
  '30',
  's',
  '30 s',
  '-5m',
  '1.5h',
  '30m1h',
  '5m5m',
  '5M',
  '5min',
  '1e3s',
  '1h30',
  '٣s',
  'P',
  'PT',
  'P1DT',
  'P1M',
  'P1Y',
  'PT1',
  'P1H',
  'pt30s',
  'PT1S1M',
  'PT0.5M',
])
  test(`"${text}" is no duration`, () => expect(parseDuration(text)).toBeNull())
