/**
 * Every change of every clock from 2024 to 2030 that the runtime knows, against what `docs/schedules.md` promises.
 *
 * What is expected is read off the clocks minute by minute, and shares no code with the scheduler. The default run takes a
 * sample of the changes; with TQ_EVERY_CHANGE=1 it takes them all.
 */
import { expect, test } from 'bun:test'
import { cron } from 'tq-edge/scheduler'
import { createRandom, dueTimes, tidy } from './support.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const WEEK_MS = 7 * 24 * HOUR_MS
/** Around a change; a gap or a repetition is 3 hours at most. */
const AROUND_MS = 5 * HOUR_MS
const SAMPLE = 60

interface Change {
  readonly timezone: string
  readonly atMs: number
}

const clocks = new Map<string, Intl.DateTimeFormat>()

/** What the clocks of a zone show, as if they showed UTC. */
function shown(timezone: string, atMs: number): number {
  const known = clocks.get(timezone) ?? new Intl.DateTimeFormat('en-US', { ...FIELDS, timeZone: timezone })
  clocks.set(timezone, known)
  const [month, day, year, hour, minute] = [...known.format(atMs).matchAll(/\d+/g)].map(Number)
  return Date.UTC(year as number, (month as number) - 1, day, hour, minute)
}
const FIELDS = {
  year: 'numeric',
  month: 'numeric',
  day: 'numeric',
  hour: 'numeric',
  minute: 'numeric',
  hourCycle: 'h23',
} as const

/** The changes of a zone's clocks to the minute, found by looking every week: no two are that near to each other. */
function changesOf(timezone: string): Change[] {
  const changes: Change[] = []
  const ahead = (atMs: number) => shown(timezone, atMs) - atMs
  for (let weekMs = Date.UTC(2024, 0); weekMs < Date.UTC(2031, 0); weekMs += WEEK_MS) {
    let [beforeMs, atMs] = [weekMs, weekMs + WEEK_MS]
    if (ahead(beforeMs) === ahead(atMs)) continue
    while (atMs - beforeMs > MINUTE_MS) {
      const middleMs = beforeMs + Math.floor((atMs - beforeMs) / 2 / MINUTE_MS) * MINUTE_MS
      if (ahead(middleMs) === ahead(beforeMs)) beforeMs = middleMs
      else atMs = middleMs
    }
    changes.push({ timezone, atMs })
  }
  return changes
}

/** Zones that change at the same moment from and to the same time are one. */
function distinctChanges(): Change[] {
  const distinct = new Map<string, Change>()
  for (const timezone of Intl.supportedValuesOf('timeZone'))
    for (const change of changesOf(timezone)) {
      const { atMs } = change
      distinct.set([atMs, shown(timezone, atMs - MINUTE_MS), shown(timezone, atMs)].join(), change)
    }
  return [...distinct.values()]
}

interface Rule {
  readonly pattern: string
  readonly hours: readonly number[]
  readonly minutes: readonly number[]
  readonly weekdays?: readonly number[]
}

const upTo = (last: number, step = 1) => Array.from({ length: Math.floor(last / step) + 1 }, (_, at) => at * step)

const ONCE_EACH: readonly Rule[] = [
  { pattern: '30 2 * * *', hours: [2], minutes: [30] },
  { pattern: '0,30 2 * * *', hours: [2], minutes: [0, 30] },
  { pattern: '15 2,3 * * *', hours: [2, 3], minutes: [15] },
  { pattern: '0 0,2,4 * * *', hours: [0, 2, 4], minutes: [0] },
  { pattern: '30 23 * * *', hours: [23], minutes: [30] },
  { pattern: '30 23 * * 6', hours: [23], minutes: [30], weekdays: [6] },
  { pattern: '10 0 * * SUN', hours: [0], minutes: [10], weekdays: [0] },
  { pattern: '@daily', hours: [0], minutes: [0] },
  { pattern: '45 1 * * *', hours: [1], minutes: [45] },
  { pattern: '0 */2 * * *', hours: upTo(23, 2), minutes: [0] },
  { pattern: '*/30 2 * * *', hours: [2], minutes: [0, 30] },
  { pattern: '*/15 1-3 * * *', hours: [1, 2, 3], minutes: upTo(59, 15) },
  { pattern: '20 0-22 * * *', hours: upTo(22), minutes: [20] },
]

const WHENEVER_SHOWN: readonly Rule[] = [
  { pattern: '0 * * * *', hours: upTo(23), minutes: [0] },
  { pattern: '@hourly', hours: upTo(23), minutes: [0] },
  { pattern: '*/20 * * * *', hours: upTo(23), minutes: upTo(59, 20) },
  { pattern: '0 0-23 * * *', hours: upTo(23), minutes: [0] },
  { pattern: '0 */1 * * *', hours: upTo(23), minutes: [0] },
  { pattern: '*/30 0-11,12-23 * * *', hours: upTo(23), minutes: [0, 30] },
  { pattern: '30 ? * * 0', hours: upTo(23), minutes: [30], weekdays: [0] },
]

function matches({ hours, minutes, weekdays }: Rule, wallMs: number): boolean {
  const wall = new Date(wallMs)
  if (weekdays && !weekdays.includes(wall.getUTCDay())) return false
  return hours.includes(wall.getUTCHours()) && minutes.includes(wall.getUTCMinutes())
}

/** Each minute around a change, with what the clocks show. */
function minutesAround({ timezone, atMs }: Change): { atMs: number; wallMs: number }[] {
  const count = (2 * AROUND_MS) / MINUTE_MS + 1
  const times = Array.from({ length: count }, (_, at) => atMs - AROUND_MS + at * MINUTE_MS)
  return times.map((time) => ({ atMs: time, wallMs: shown(timezone, time) }))
}

type Minutes = ReturnType<typeof minutesAround>

function expectedWhenever(rule: Rule, minutes: Minutes): number[] {
  return minutes.filter(({ wallMs }) => matches(rule, wallMs)).map(({ atMs }) => atMs)
}

/** A wall time that is never shown is due when the clocks first show a later one. */
function expectedOnce(rule: Rule, minutes: Minutes): number[] {
  const firstMs = minutes[0]?.wallMs ?? 0
  const lastMs = minutes.at(-1)?.wallMs ?? 0
  const due = new Set<number>()
  for (let wallMs = firstMs; wallMs <= lastMs; wallMs += MINUTE_MS)
    if (matches(rule, wallMs)) {
      const first =
        minutes.find((minute) => minute.wallMs === wallMs) ?? minutes.find((minute) => minute.wallMs > wallMs)
      due.add(first?.atMs ?? 0)
    }
  return [...due].sort((a, b) => a - b)
}

function expectAround(change: Change, minutes: Minutes, rules: readonly Rule[], expected: typeof expectedOnce): void {
  const { timezone, atMs } = change
  for (const rule of rules) {
    const schedule = cron('x', rule.pattern, { task: tidy, timezone })
    const due = dueTimes(schedule, atMs - AROUND_MS - 1, atMs + AROUND_MS)
    const told = (times: number[]) => ({
      timezone,
      pattern: rule.pattern,
      due: times.map((time) => new Date(time).toISOString()),
    })
    expect(told(due)).toEqual(told(expected(rule, minutes)))
  }
}

const changes = distinctChanges()
const random = createRandom(2026)
const sample = process.env.TQ_EVERY_CHANGE === '1' ? changes : changes.filter(() => random() < SAMPLE / changes.length)

test('around every change of the clocks each wall time is due once, and what covers the day whenever it is shown', () => {
  expect(changes.length).toBeGreaterThan(100)
  for (const change of sample) {
    const minutes = minutesAround(change)
    expectAround(change, minutes, ONCE_EACH, expectedOnce)
    expectAround(change, minutes, WHENEVER_SHOWN, expectedWhenever)
  }
}, 60_000)
