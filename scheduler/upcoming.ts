import type { Schedule } from '../src/schedule.ts'
import { dueAfter } from './due-after.ts'
import { reasonOf } from './reason.ts'

export interface UpcomingOptions {
  readonly afterMs: number
  /** At most so many. */
  readonly count: number
}

export interface Upcoming {
  readonly dueAtMs: number
  /** `plain`, or what makes it due just then, such as `dst: 02:30 comes twice, due the first time alone; jitter: 12 s later`. */
  readonly reason: string
}

/** The next due times of a schedule after a moment, each with its reason. Throws what its rule throws. */
export function upcoming(schedule: Schedule, { afterMs, count }: UpcomingOptions): Upcoming[] {
  return dueAfter(schedule.next, afterMs, Number.POSITIVE_INFINITY, count).map((dueAtMs) => ({
    dueAtMs,
    reason: reasonOf(schedule, dueAtMs),
  }))
}
