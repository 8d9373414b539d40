import { expect, test } from 'bun:test'
import { cron } from 'tq-edge/scheduler'
import { toCronText } from '../../cli/cron-text.ts'
import { toRuleText } from '../../cli/rule-text.ts'
import { tidy } from '../scheduler/support.ts'

test.each([
  ['*/15 * * * *', 'every 15 minutes'],
  ['0 7 * * 1-5', 'at 07:00, Monday through Friday'],
  ['0 8,17 * JAN-MAR MON,THU', 'at 08:00 and 17:00, only on Monday and Thursday, January through March'],
  ['0 7 * jan mon', 'at 07:00, only on Monday, only in January'],
  ['30 9 L * *', 'at 09:30, on the last day of the month'],
  ['30 9 LW * *', 'at 09:30, on the last weekday of the month'],
  ['30 9 15W * *', 'at 09:30, on the weekday nearest day 15 of the month'],
  ['30 9 15w * *', 'at 09:30, on the weekday nearest day 15 of the month'],
  ['0 12 * * FRI#2', 'at 12:00, on the second Friday of the month'],
  ['0 12 * * 5L', 'at 12:00, on the last Friday of the month'],
  ['0 0 * * 7', 'at 00:00, only on Sunday'],
  ['*/10 * * * * *', 'every 10 seconds'],
  ['15 30 7 * * *', 'at 07:30:15'],
  ['0 0 0 1 1 * 2027', 'at 00:00, on day 1 of the month, only in January, only in 2027'],
  ['0 0 0 1 1 ? 2027-2029', 'at 00:00, on day 1 of the month, only in January, 2027 through 2029'],
  ['@hourly', 'every hour'],
  ['@WEEKLY', 'at 00:00, only on Sunday'],
  ['@midnight', 'at 00:00'],
  ['@annually', 'at 00:00, on day 1 of the month, only in January'],
  ['? ? ? ? ?', 'every minute'],
  ['*/20 1-3 * * *', 'every 20 minutes, between 01:00 and 03:59'],
  ['0 */2 * * *', 'on the hour, every 2 hours'],
  ['0,30 9-17 * * 1-5', 'at 0 and 30 minutes past the hour, between 09:00 and 17:59, Monday through Friday'],
  ['0 0 1 */3 *', 'at 00:00, on day 1 of the month, every 3 months'],
  ['  0  7 * * *  ', 'at 07:00'],
])('%j says %j', (pattern, words) => {
  expect(cron('x', pattern, { task: tidy })).toBeTruthy()
  expect(toCronText(pattern)).toBe(words)
})

test.each([
  ['0 0 13 * 5', 'every 13th and every Friday'],
  ['0 0 13 * +5', 'Fridays the 13th'],
  ['0 0 L * 5L', 'either'],
  ['0 0 * * 1-5#2', 'the second of each'],
  ['0 0 * * 1#1,3', 'the first Monday, every Wednesday'],
  ['0 0 * * FRI#L', 'the last Friday'],
  ['0 0 L,15W * *', 'either'],
  ['0 0 * * 0-7', 'every day'],
  ['*/7 * * * *', 'from 56 to the hour it is 4 minutes'],
  ['0 */5 * * *', 'from 20:00 to midnight it is 4 hours'],
  ['0 0 */2 * *', 'the 31st and the 1st'],
  ['0 0 * */5 *', 'every day of January, June and November'],
  ['*/15 9,17 * * *', 'in two hours'],
  ['*/10 0 7 * * *', 'in one minute'],
  ['*,5 * * * *', 'every minute'],
])('no words are right for %j (%s), so that it stands for itself', (pattern) => {
  const { rule } = cron('x', pattern, { task: tidy, timezone: 'Europe/Oslo' })
  expect(toCronText(pattern)).toBeNull()
  expect(toRuleText(rule)).toBe(`${pattern} Europe/Oslo`)
})

test('the text of a rule has its zone and its bounds', () => {
  const bounds = {
    startAt: '2026-01-05T00:00Z',
    endAt: '2027-01-05T00:00Z',
    maxRuns: 9,
    jitterMs: 90_000,
    enabled: false,
  }
  expect(toRuleText(cron('x', 'CRON_TZ=Europe/Oslo 0 7 * * *', { task: tidy, ...bounds }).rule)).toBe(
    '0 7 * * * Europe/Oslo: at 07:00 (not enabled, from 2026-01-05T00:00:00Z, until 2027-01-05T00:00:00Z, at most 9 times, up to 1 min 30 s later)',
  )
  expect(toRuleText({ kind: 'every', everyMs: 5_400_000 })).toBe('every 1 h 30 min')
  expect(
    toRuleText({ kind: 'solar', event: 'civilDawn', latitude: 59.91, longitude: 10.75, offsetMs: -1_800_000 }),
  ).toBe('30 min before civil dawn at 59.91, 10.75')
  expect(
    toRuleText({ kind: 'rrule', text: 'DTSTART;TZID=UTC:20260105T090000\nRRULE:FREQ=DAILY', timezone: 'UTC' }),
  ).toBe('DTSTART;TZID=UTC:20260105T090000 RRULE:FREQ=DAILY')
  expect(toRuleText(null)).toBe('not known to this version')
})
