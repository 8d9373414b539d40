import type { JobError } from './job.ts'
import type { Spent } from './spent.ts'

/** Everything that tq tells while it runs. Logic emits these; one place turns them into lines. */
export type TqEvent =
  | {
      readonly kind: 'worker.started'
      readonly worker: string
      readonly queues: readonly string[]
      readonly concurrency: number
    }
  | { readonly kind: 'worker.stopping'; readonly worker: string; readonly running: number }
  | { readonly kind: 'worker.stopped'; readonly worker: string; readonly totals: WorkerTotals }
  | ({ readonly kind: 'job.started'; readonly attempt: number } & JobFacts)
  | ({ readonly kind: 'job.succeeded'; readonly durationMs: number; readonly result: string } & JobFacts)
  | ({
      readonly kind: 'job.retrying'
      readonly attempt: number
      readonly delayMs: number
      readonly error: JobError
    } & JobFacts)
  | ({
      readonly kind: 'job.failed'
      readonly attempt: number
      readonly reason: string
      readonly error: JobError
    } & JobFacts)
  | ({ readonly kind: 'job.cancelled' } & JobFacts)
  | ({ readonly kind: 'job.released'; readonly reason: string; readonly delayMs: number } & JobFacts)
  | ({ readonly kind: 'job.progress'; readonly progress: string } & JobFacts)
  | ({ readonly kind: 'job.log'; readonly message: string } & JobFacts)
  /** What the job ended with came too late: its lease had passed to another. */
  | ({ readonly kind: 'job.late' } & JobFacts)
  /** Said once per task: jobs of it are put back for a worker that knows it. */
  | { readonly kind: 'task.unknown'; readonly task: string; readonly suggestion?: string }
  /** Told once the broker has answered: a worker may have started the job by then. */
  | {
      readonly kind: 'job.enqueued'
      readonly id: string
      readonly task: string
      readonly queue: string
      readonly by: 'api' | 'beat' | 'webhook'
    }
  | { readonly kind: 'beat.started'; readonly schedules: number }
  | {
      readonly kind: 'beat.fired'
      readonly schedule: string
      readonly id: string
      readonly dueAtMs: number
      readonly lateMs: number
    }
  /**
   * Due times that were missed and by the schedule's `catchUp` are not fired: from `dueAtMs` on, `count` of them (1,000 stands for that
   * or more). The schedule goes on at `nextDueAtMs`.
   */
  | {
      readonly kind: 'beat.missed'
      readonly schedule: string
      readonly dueAtMs: number
      readonly nextDueAtMs: number | null
      readonly count: number
    }
  /** By its schedule's rule of overlap there is no job for this due time: one before it has not finished. */
  | { readonly kind: 'beat.skipped'; readonly schedule: string; readonly dueAtMs: number }
  /** A schedule was fired that had been due for longer than a beat that is there would take. Told once a schedule and pass. */
  | { readonly kind: 'beat.late'; readonly schedule: string; readonly dueAtMs: number; readonly lateMs: number }
  /** A schedule's `pingUrl` was not answered as expected; `to` is its server, the rest of it may be a secret. */
  | { readonly kind: 'ping.failed'; readonly schedule: string; readonly to: string; readonly reason: string }
  /** A schedule is due whose task or rule this beat does not know: it neither fires nor moves on here. */
  | { readonly kind: 'beat.unknown'; readonly schedule: string; readonly task: string }
  /** A rule of the app's own has thrown, or has not gone forward: its schedule neither fires nor moves on. Told once. */
  | { readonly kind: 'beat.broken'; readonly schedule: string; readonly reason: string }
  | { readonly kind: 'beat.stopped' }
  /** A call to the broker failed and is sent again. */
  | { readonly kind: 'broker.retrying'; readonly call: string; readonly reason: string; readonly delayMs: number }
  /** A call to the broker failed for good. */
  | { readonly kind: 'broker.failed'; readonly call: string; readonly reason: string }
  /** The broker's store works, but is set up in a way that may cost jobs. */
  | { readonly kind: 'broker.warning'; readonly reason: string }
  /** An edge worker could not be asked to drain: its next cron trigger will. */
  | { readonly kind: 'kick.failed'; readonly reason: string }
  | {
      readonly kind: 'http.request'
      readonly method: string
      readonly path: string
      readonly status: number
      readonly durationMs: number
      /** Why it is a 500: the caller is not told. */
      readonly reason?: string
    }

interface JobFacts {
  readonly id: string
  readonly task: string
}

export interface WorkerTotals extends Spent {
  readonly succeeded: number
  readonly retried: number
  readonly failed: number
  readonly released: number
  readonly cancelled: number
  readonly late: number
  readonly exchanges: number
}

export type OnEvent = (event: TqEvent) => void

/** A listener that cannot break what it listens to: an error of its own must not cost a job. */
export function withoutThrowing(onEvent: OnEvent | undefined): OnEvent | undefined {
  if (!onEvent) return undefined
  return (event) => {
    try {
      onEvent(event)
    } catch {
      // There is nobody to tell: telling is what has failed.
    }
  }
}
