import { type App, unknownTask } from '../app.ts'
import type { BlobStore } from '../blobs.ts'
import type { ClaimedJob, LeaseRef, Settlement } from '../broker.ts'
import type { Clock } from '../clock.ts'
import type { OnEvent, WorkerTotals } from '../events.ts'
import { exponential } from '../retry.ts'
import type { Durations } from './durations.ts'
import { execute, fail, refusal } from './execute.ts'
import type { Holdings } from './holdings.ts'
import type { Outbox } from './outbox.ts'
import { Run } from './run.ts'

/** A job of a task this worker lacks is put back for so long, doubling with each time. */
const unknownTaskBackoff = exponential({ baseMs: 1_000, maxMs: 60_000, jitter: 'none' })

/** Anybody may enqueue jobs under any name: no more names than these are remembered. */
const MAX_UNKNOWN_SEEN = 1_000

/** Why a job is not started now, and for how long at least nobody here can. */
export interface NotNow {
  readonly reason: string
  readonly forMs: number
}

/** Runs claimed jobs, and puts what becomes of them into the outbox. */
export interface Runner {
  /** Starts the job, or as soon as one of those that run has ended. */
  start(job: ClaimedJob, lane: string): void
  /** Gives a job back that was claimed but is not to be started any more. */
  refuse(job: ClaimedJob, lane: string): void
  cancel(id: string): void
  /** A settlement or an extension came too late: the lease is another's. */
  lostLease(ref: LeaseRef): void
  /** Returns what has not been started, at once and uncounted. Answers how many jobs those were. */
  releaseStock(reason: string): number
  /** Returns all that still runs, at once and uncounted, and aborts it. */
  releaseAll(): void
}

export interface RunnerOptions {
  readonly app: App
  readonly holdings: Holdings
  readonly outbox: Outbox
  readonly concurrency: number
  readonly leaseMs: number
  readonly maxResultBytes: number
  readonly blobs: BlobStore | undefined
  readonly clock: Clock
  readonly random: () => number
  readonly totals: { -readonly [Total in keyof WorkerTotals]: WorkerTotals[Total] }
  readonly onEvent: OnEvent | undefined
  readonly durations: Durations
  /** Why a job that this worker could run is not to be started now; null when it is. It is put back for later. */
  readonly admit: ((run: Run) => NotNow | null) | undefined
  /** For a job that still runs when everything is returned: an error makes that a failed attempt. */
  readonly cutOff: ((run: Run) => Error | undefined) | undefined
  /** Hears of each handler that has come to its end. */
  readonly onFinished: () => void
  /** Called when there is something to send. */
  readonly onChange: () => void
}

export function createRunner(options: RunnerOptions): Runner {
  const { app, holdings, outbox, concurrency, leaseMs, clock, random, totals, onEvent } = options
  const { durations, admit, cutOff, onFinished, onChange } = options
  const unknownSeen = new Map<string, number>()
  const hooks = { onEvent, onProgress: progressed }

  function take(job: ClaimedJob, lane: string): Run {
    const nowMs = clock.monotonic()
    const run = new Run(
      job,
      app.tasks.get(job.task),
      lane,
      { startedAtMs: nowMs, extendAtMs: nowMs + leaseMs / 3 },
      hooks,
    )
    holdings.add(run)
    return run
  }

  function start(job: ClaimedJob, lane: string): void {
    const run = take(job, lane)
    const refused = refusal(run, options.blobs)
    const notNow = refused === null ? admit?.(run) : { reason: refused, forMs: 0 }
    if (notNow) putBack(run, notNow.reason, notNow.forMs)
    else startNext()
  }

  function startNext(): void {
    const run = holdings.running < concurrency ? holdings.startNext() : undefined
    if (!run?.definition) return
    run.startedAtMs = clock.monotonic()
    void execute(run, run.definition, options).then((settlement) => end(run, settlement))
  }

  function end(run: Run, settlement: Settlement): void {
    onFinished()
    durations.add(run.task, clock.monotonic() - run.startedAtMs)
    settle(run, settlement)
    startNext()
  }

  function progressed(): void {
    holdings.progressed(clock.monotonic())
    onChange()
  }

  function settle(run: Run, settlement: Settlement): void {
    if (run.released) return
    holdings.remove(run)
    totals[TOTAL_OF[settlement.kind]]++
    outbox.add(
      run.freshProgress === undefined ? settlement : { ...settlement, progress: run.freshProgress },
      run.recordBytes,
    )
    onChange()
  }

  function release(run: Run, reason: string, delayMs: number): void {
    if (run.released) return
    settle(run, { kind: 'released', id: run.id, epoch: run.job.epoch, delayMs })
    run.released = true
    // Told last: whoever hears of it may stop the worker, which gives back what it still has.
    onEvent?.({ kind: 'job.released', id: run.id, task: run.task, reason, delayMs })
  }

  /** For a worker that can run it, later and later, and said once per task. */
  function putBack(run: Run, reason: string, leastMs = 0): void {
    const times = (unknownSeen.get(run.task) ?? 0) + 1
    for (const oldest of unknownSeen.keys()) if (unknownSeen.size >= MAX_UNKNOWN_SEEN) unknownSeen.delete(oldest)
    unknownSeen.set(run.task, times)
    if (times === 1 && !run.definition) {
      const { suggestion } = unknownTask(run.task, app.tasks.keys())
      onEvent?.({ kind: 'task.unknown', task: run.task, ...(suggestion ? { suggestion } : {}) })
    }
    release(run, reason, Math.max(leastMs, unknownTaskBackoff(times, random)))
  }

  return {
    start,
    refuse: (job, lane) => release(take(job, lane), 'shutdown', 0),
    cancel(id) {
      const run = holdings.get(id)
      if (!run) return
      run.cancelled = true
      run.abort('cancelled')
    },
    lostLease({ id, epoch }) {
      totals.late++
      const run = holdings.get(id)
      // The job may be in our hands again, under a later lease: that one stays.
      if (run?.job.epoch === epoch) {
        holdings.abandon(run)
        startNext()
      }
      onEvent?.({ kind: 'job.late', id, task: run?.task ?? '' })
    },
    releaseStock(reason) {
      const stock = holdings.stock()
      for (const run of stock) release(run, reason, 0)
      return stock.length
    },
    releaseAll() {
      for (const run of holdings.all()) {
        durations.add(run.task, clock.monotonic() - run.startedAtMs)
        const error = cutOff?.(run)
        if (error && run.definition) {
          settle(run, fail(run, run.definition, error, options))
          run.released = true
        } else release(run, 'shutdown', 0)
        run.abort(error ?? 'shutdown')
      }
    },
  }
}

const TOTAL_OF = {
  succeeded: 'succeeded',
  retry: 'retried',
  failed: 'failed',
  cancelled: 'cancelled',
  released: 'released',
} as const satisfies Record<Settlement['kind'], keyof WorkerTotals>
