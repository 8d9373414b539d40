import type { JobTick } from './job.ts'

/** What a schedule is to the core: data, and a pure rule of when it is due next. The kinds live in `scheduler/`. */
export interface Schedule {
  readonly name: string
  /** The task's name. */
  readonly task: string
  /** The input of every job as JSON text; empty where it is made tick by tick. */
  readonly input: string
  /** Makes the input of a tick's job, as JSON text: a process that does not have the app's code cannot. */
  readonly inputOf?: ((tick: JobTick) => string) | undefined
  readonly queue: string
  readonly priority: number
  /** The rule as data: what a broker stores and another process rebuilds it from. */
  readonly rule: ScheduleRule
  /** Which missed due times are fired, a job each. Left out: one job for all of them. */
  readonly catchUp?: CatchUp | undefined
  /** What becomes of a tick while a job of an earlier one has not finished. Left out: its job is made all the same. */
  readonly overlap?: Overlap | undefined
  /** Where a beat sends a GET after it has fired. */
  readonly pingUrl?: string | undefined
  /** The first due time after `afterMs`, both milliseconds since the epoch; null when there is none any more. */
  next(afterMs: number): number | null
}

/** Bounds of what is fired of all that is due by now: the newest due times within both. */
export interface CatchUp {
  /** How late a due time may be fired. From 1,000 to 31,622,400,000, which are 366 days; default a day. */
  readonly maxAgeMs: number
  /** Of how many due times a job is made. From 1 to 1,000; default 1,000. */
  readonly maxRuns: number
}

/** The rules of overlap, without that of who has none. */
export const OVERLAPS = ['skip', 'bufferOne', 'bufferAll', 'cancelPrevious'] as const

export type Overlap = (typeof OVERLAPS)[number]

export type ScheduleRule = ScheduleKind & ScheduleBounds

export type ScheduleKind =
  | { readonly kind: 'cron'; readonly pattern: string; readonly timezone: string }
  /** `align` is left out where due times are multiples of the interval. */
  | { readonly kind: 'every'; readonly everyMs: number; readonly align?: 'first' | undefined }
  | { readonly kind: 'at'; readonly atMs: number }
  /** Of RFC 5545; as are those below, one that only a process with the app's code can compute. */
  | { readonly kind: 'rrule'; readonly text: string; readonly timezone: string }
  | {
      readonly kind: 'solar'
      readonly event: string
      readonly latitude: number
      readonly longitude: number
      readonly offsetMs?: number | undefined
    }
  /** The app's own: a process that does not have the app's code cannot tell when it is due. */
  | { readonly kind: 'custom'; readonly version?: number | undefined }

/** What any rule may have besides its kind. What is left out has no effect. */
export interface ScheduleBounds {
  readonly startAtMs?: number | undefined
  /** No due time is after it. */
  readonly endAtMs?: number | undefined
  /** How many due times there are, counted from `startAtMs`. */
  readonly maxRuns?: number | undefined
  /** Every due time is later by a part of it that follows from the name. */
  readonly jitterMs?: number | undefined
  readonly enabled?: false | undefined
}
