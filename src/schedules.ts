/**
 * Schedules that are made and changed at run time, as the REST API and the command line do it. What does it is in `scheduler/`, which
 * knows when they are due.
 *
 * @module
 */
import type { CatchUp, Overlap, Schedule, ScheduleBounds, ScheduleRule } from './schedule.ts'
import type { JobState } from './words.ts'

/** The client of schedules. Every change is of what is stored at that moment: of two at once, each is made or refused. */
export interface Schedules {
  /** By name, a page at a time. */
  list(query?: SchedulesQuery): Promise<SchedulesPage>
  /** Null where there is none of that name. */
  get(name: string): Promise<ScheduleView | null>
  /** Makes a schedule. Throws `ScheduleExists` where its name is taken. */
  add(schedule: Schedule | ScheduleData): Promise<ScheduleView>
  /**
   * Makes a schedule or replaces one as a whole; paused it stays. One that the app's file declares is so until its declaration there
   * is changed. Throws `ScheduleExists` where another app has the name.
   */
  set(schedule: Schedule | ScheduleData, options?: ChangeOptions): Promise<ScheduleView>
  /** Removes a schedule that was made at run time; its jobs stay. Throws `ScheduleNotFound`, `ScheduleDeclared`. */
  remove(name: string, options?: ChangeOptions): Promise<void>
  /** Until it is resumed it is never due, whatever is deployed. Throws `ScheduleNotFound`. */
  pause(name: string, options?: ChangeOptions): Promise<ScheduleView>
  /** It is due again from now on: what was missed is not made up for. Throws `ScheduleNotFound`. */
  resume(name: string, options?: ChangeOptions): Promise<ScheduleView>
  /** Its next due times: none while it is paused. Throws `ScheduleNotFound`. */
  next(name: string, options?: NextOptions): Promise<readonly number[]>
  /**
   * Runs it now, paused or not: a job beside those of its due times, which stay as they are. By its rule of overlap there may be none.
   * Throws `ScheduleNotFound`, `ScheduleUnreadable`, `UnknownTask`, `InvalidInput`, `QueueFull` and `JobConflict`.
   */
  run(name: string, options?: RunOptions): Promise<RunOutcome>
  /** Its last ticks, newest first, 10 at most, and what their jobs have come to. Throws `ScheduleNotFound`. */
  history(name: string): Promise<readonly RunView[]>
}

export interface RunOptions {
  /** In place of the schedule's. */
  readonly input?: unknown
  /** The job's id: asked for again under the same, it is run once. Default a UUIDv7. */
  readonly id?: string | undefined
  /** Of what you were asked for: under an id that another one has the run is a conflict. */
  readonly fingerprint?: string | undefined
}

export interface RunOutcome {
  /** Null where its rule of overlap has it skipped. */
  readonly jobId: string | null
  /** `existing`: there is a job of that id already, or was. */
  readonly outcome: 'fired' | 'skipped' | 'existing'
}

/** What has become of a tick. */
export interface RunView {
  /** Of due times that were passed over the first. */
  readonly dueAtMs: number
  readonly firedAtMs: number
  /** How late it was fired; below 0 where a pass has looked ahead. */
  readonly lateMs: number
  /** `missed`: passed over by its `catchUp`; `skipped`: by its `overlap`. */
  readonly outcome: 'fired' | 'skipped' | 'missed'
  /** True where somebody has run it beside its due times. */
  readonly manual: boolean
  /** Null where there was none. */
  readonly jobId: string | null
  /** The job's; null where there was none, and where its record is no longer kept. */
  readonly state: JobState | null
  /** When the job finished. */
  readonly finishedAtMs: number | null
  /** How many of its attempts have ended. */
  readonly attempts: number | null
}

export interface SchedulesQuery {
  readonly app?: string | undefined
  /** From 1 to 1,000, the default. */
  readonly limit?: number | undefined
  /** Where the last page ended. */
  readonly cursor?: string | undefined
}

export interface SchedulesPage {
  readonly schedules: readonly ScheduleView[]
  /** Null on the last page. */
  readonly cursor: string | null
  /** The broker's time. */
  readonly nowMs: number
}

export interface ChangeOptions {
  /** Throws `ScheduleMoved` unless this is the stored revision: 0 where there is none of that name. */
  readonly revision?: number | undefined
}

export interface NextOptions {
  /** From 1 to 1,000; default 10. */
  readonly count?: number | undefined
  /** Default now, by the broker's clock. */
  readonly afterMs?: number | undefined
}

/** A schedule as it is told of: every field is there, null where there is nothing. */
export interface ScheduleView {
  readonly name: string
  readonly app: string
  /** Null, as are the others of the declaration, where this version of tq cannot read it. */
  readonly task: string | null
  readonly input: unknown
  /** `function` where the app's code makes the input at each tick. */
  readonly inputBy: 'function' | null
  readonly queue: string | null
  readonly priority: number | null
  readonly rule: ScheduleRule | null
  /** Null where one job stands for all that was missed. */
  readonly catchUp: CatchUp | null
  /** Null where every tick's job is made, whatever became of the ones before. */
  readonly overlap: Overlap | null
  readonly pingUrl: string | null
  readonly paused: boolean
  /** Who made it: the app's file, or somebody at run time. */
  readonly origin: 'app' | 'runtime'
  /** True where a change at run time stands in the place of what the app's file declares. */
  readonly overridden: boolean
  /** Rises with every change. */
  readonly revision: number
  /** Null while it is paused, and when it has come to its end. */
  readonly dueAtMs: number | null
  readonly lastDueAtMs: number | null
  /** How long it has been due without being fired. */
  readonly lagMs: number
}

/** A schedule as plain data, as JSON carries it: what `cron`, `every` and `at` take, with the task's name and times in milliseconds. */
export interface ScheduleData {
  readonly name: string
  readonly task: string
  readonly input?: unknown
  readonly queue?: string | undefined
  readonly priority?: number | undefined
  readonly rule: RuleData
  readonly catchUp?: 'skip' | 'latest' | 'all' | Partial<CatchUp> | null | undefined
  readonly overlap?: 'allow' | Overlap | null | undefined
  readonly pingUrl?: string | null | undefined
}

export type RuleData =
  | ({ readonly kind: 'cron'; readonly pattern: string; readonly timezone?: string | undefined } & BoundsData)
  | ({ readonly kind: 'every'; readonly everyMs: number; readonly align?: 'clock' | 'first' | undefined } & BoundsData)
  | ({ readonly kind: 'at'; readonly atMs: number } & Pick<BoundsData, 'jitterMs' | 'enabled'>)

type BoundsData = Omit<ScheduleBounds, 'enabled'> & { readonly enabled?: boolean | undefined }
