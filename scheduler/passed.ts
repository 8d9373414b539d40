import type { FireOutcome, StoredSchedule, Tick } from '../src/broker.ts'
import type { OnEvent } from '../src/events.ts'
import { SKIP } from './catch-up.ts'
import { readDefinition } from './definition.ts'
import type { Pings } from './pings.ts'

/** Of a schedule that has fallen due, not of one that somebody runs. */
export type DueTick = Tick & { readonly dueAtMs: number }

/** What one pass has fired: what is told or done once a schedule and pass, however many of its ticks were fired. */
export interface Passed {
  note(schedules: readonly StoredSchedule[], ticks: readonly DueTick[], outcomes: readonly FireOutcome[]): void
  /** Tells which schedules were fired late, and sends the pings. */
  end(): void
}

export interface PassedOptions {
  readonly onEvent?: OnEvent | undefined
  readonly pings?: Pings | undefined
  /** From how late on. Default what a trigger of every minute that comes late still is in time for. */
  readonly lateAfterMs?: number | undefined
}

interface First {
  readonly dueAtMs: number
  readonly lateMs: number
  readonly pingUrl: string | undefined
}

export function createPassed({ onEvent, pings, lateAfterMs = SKIP.maxAgeMs }: PassedOptions): Passed {
  /** Of each schedule the tick that was due first. */
  const first = new Map<string, First>()
  return {
    note(schedules, ticks, outcomes) {
      const stored = new Map(schedules.map((schedule) => [schedule.name, schedule]))
      for (const [at, { schedule, dueAtMs, job }] of ticks.entries()) {
        if (outcomes[at] !== 'fired' || !job || first.has(schedule)) continue
        const lateMs = job.createdAtMs - dueAtMs
        first.set(schedule, { dueAtMs, lateMs, pingUrl: pings && pingUrlOf(stored.get(schedule)) })
      }
    },
    end() {
      for (const [schedule, { dueAtMs, lateMs, pingUrl }] of first) {
        if (lateMs > lateAfterMs) onEvent?.({ kind: 'beat.late', schedule, dueAtMs, lateMs })
        if (pingUrl) pings?.send(schedule, pingUrl)
      }
    },
  }
}

/** Few have one: the others are not read once more. */
function pingUrlOf(stored: StoredSchedule | undefined): string | undefined {
  return stored?.definition.includes('"pingUrl"') ? readDefinition(stored.definition)?.pingUrl : undefined
}
