/** `tq beat --simulate`: what would be fired in some days of a zone, and why. No broker is asked. */
import { type Period, simulate } from '../scheduler/simulate.ts'
import { firstShown } from '../scheduler/wall.ts'
import { DAY_MS, type OffsetAt, zoneOffset } from '../scheduler/zone.ts'
import { isTqError } from '../src/errors.ts'
import type { Schedule } from '../src/schedule.ts'
import { wholeNumber } from './args.ts'
import { UsageError } from './errors.ts'
import { printJson, printLine, printNote, toTable } from './print.ts'
import { toZonedTime } from './times.ts'

export const simulateArgs = {
  simulate: {
    type: 'string',
    description: 'Print what would be fired from this day on, and why, without a broker',
    valueHint: 'date',
  },
  timezone: { type: 'string', description: 'With --simulate: the zone of its days (default UTC)', valueHint: 'zone' },
  days: { type: 'string', description: 'With --simulate: how many days (default 1)', valueHint: 'count' },
  down: {
    type: 'string',
    description: 'With --simulate: hours of each day in which no beat runs, such as 02:00-04:00',
    valueHint: 'hours',
  },
} as const

type Flags = Readonly<Partial<Record<keyof typeof simulateArgs, string | undefined>>>

export interface SimulationRequest extends Period {
  readonly offsetAt: OffsetAt
  readonly down: readonly Period[]
}

const MAX_DAYS = 366
/** More than anybody reads, and still a matter of seconds. */
const MAX_TICKS = 10_000

/** What the flags ask for; null where they ask for no simulation. Throws `UsageError` for what cannot be. */
export function toSimulation(flags: Flags): SimulationRequest | null {
  const alone = (['timezone', 'days', 'down'] as const).find((flag) => flags[flag] !== undefined)
  if (flags.simulate === undefined && alone !== undefined)
    throw new UsageError(`expected --${alone} together with --simulate, got it alone: --simulate 2026-10-25`)
  if (flags.simulate === undefined) return null
  const dayMs = toDayMs(flags.simulate)
  const offsetAt = toOffsetAt(flags.timezone ?? 'UTC')
  const days = wholeNumber('days', flags.days, { min: 1, max: MAX_DAYS }) ?? 1
  const wallMs = Array.from({ length: days }, (_, day) => dayMs + day * DAY_MS)
  const [beginMs, endMs] = flags.down === undefined ? [] : toDownMs(flags.down)
  const period = (fromMs: number, untilMs: number): Period => ({
    fromMs: firstShown(offsetAt, fromMs),
    untilMs: firstShown(offsetAt, untilMs),
  })
  return {
    ...period(dayMs, dayMs + days * DAY_MS),
    offsetAt,
    down: beginMs === undefined ? [] : wallMs.map((ms) => period(ms + beginMs, ms + (endMs ?? 0))),
  }
}

function toDayMs(text: string): number {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00Z`) : Number.NaN
  // Some runtimes take 30 February for a day in March; before 1970 nobody had a schedule.
  if (ms >= 0 && new Date(ms).toISOString().startsWith(text)) return ms
  throw new UsageError(`expected --simulate to be a day such as 2026-10-25, got "${text}"`)
}

function toOffsetAt(timezone: string): OffsetAt {
  try {
    return zoneOffset('--timezone', timezone)
  } catch (error) {
    if (!isTqError(error, 'InvalidOption')) throw error
    throw new UsageError(`expected --timezone to be an IANA time zone such as Europe/Oslo, got "${timezone}"`)
  }
}

/** `02:00-04:00` after midnight, in milliseconds; `22:00-02:00` ends on the day after. */
function toDownMs(text: string): [number, number] {
  const [, ...parts] = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? []
  const [hour = 0, minute = 0, endHour = 0, endMinute = 0] = parts.map(Number)
  const [beginMs, endMs] = [hour * 60 + minute, endHour * 60 + endMinute].map((minutes) => minutes * 60_000)
  if (beginMs !== undefined && endMs !== undefined && beginMs !== endMs)
    return [beginMs, endMs < beginMs ? endMs + DAY_MS : endMs]
  throw new UsageError(`expected --down to be hours of a day such as 02:00-04:00, got "${text}"`)
}

export function printSimulation(schedules: readonly Schedule[], request: SimulationRequest, json: boolean): void {
  const { offsetAt } = request
  const { ticks, cut, broken } = simulate(schedules, { ...request, most: MAX_TICKS })
  const rows = ticks.map(({ schedule, dueAtMs, reason }) => ({
    schedule,
    dueAt: toZonedTime(dueAtMs, offsetAt),
    reason,
  }))
  if (json) printJson(rows)
  else
    printLine(
      toTable(
        ['DUE', 'SCHEDULE', 'WHY'],
        rows.map(({ schedule, dueAt, reason }) => [dueAt, schedule, reason]),
      ),
    )
  for (const { schedule, reason } of broken) printNote(`left out: the rule of "${schedule}" is broken: ${reason}`)
  if (cut) printNote(`these are the first ${MAX_TICKS} ticks; later ones are left out: ask for fewer days`)
}
