/** What a schedule is to the core: data, and a pure rule of when it is due next. The kinds live in `scheduler/`. */
export interface Schedule {
  readonly name: string
  /** The task's name. */
  readonly task: string
  /** The input of every job as JSON text. */
  readonly input: string
  readonly queue: string
  readonly priority: number
  /** The rule as data: what a broker stores and another process rebuilds it from. */
  readonly rule: ScheduleRule
  /** The first due time after `afterMs`, both milliseconds since the epoch; null when there is none any more. */
  next(afterMs: number): number | null
}

export type ScheduleRule =
  | { readonly kind: 'cron'; readonly pattern: string; readonly timezone: string }
  | { readonly kind: 'every'; readonly everyMs: number }
