import type { App } from '../app.ts'
import { type Clock, sleep, systemClock } from '../clock.ts'
import { DrainTooShort, InvalidOption } from '../errors.ts'
import { resend } from '../resend.ts'
import { type CountedCalls, countCalls } from './counted-calls.ts'
import { createDurations, type Durations } from './durations.ts'
import type { NotNow } from './runner.ts'
import { createWorker, type WorkerOptions } from './worker.ts'

export interface DrainOptions extends Omit<WorkerOptions, 'app' | 'lanes' | 'burst'> {
  /** How long the drain may take, by the platform's limit for an invocation. Default 25,000. */
  readonly budgetMs?: number
  /** How many requests to the broker it may make; those of the handlers are not counted. Default 40. */
  readonly maxSubrequests?: number
  /** Whether it waits for jobs that fall due while there is time. Default false: it ends once nothing is claimable. */
  readonly stay?: boolean
  /** Ends it early: what runs is returned, uncounted. */
  readonly signal?: AbortSignal
}

export interface DrainReport {
  /** Attempts that came to an end. */
  readonly ran: number
  /** Those of them that failed, for good or to be tried again. */
  readonly failed: number
  /** Jobs that were claimed and given back. */
  readonly returned: number
  /** Whether there is more that could be claimed at once. */
  readonly left: boolean
  /** When the next job could become claimable, by the broker's clock; null when nothing is in sight. */
  readonly nextAtMs: number | null
  /** The broker's time at the end. */
  readonly nowMs: number
}

/** Kept for the last settlements, and for sending one of them again. */
const KEPT_CALLS = 3
/** The same in time. */
const KEPT_MS = 1_000
/** What a round of a drain that stays takes: a claim, the settlements, a look whether there is more. */
const ROUND_CALLS = 3
/** A job that has had so much of a drain and did not end will not end in the next one either. */
const NEARLY_ALL = 0.9
/** So much has to be left for a job of which nobody knows how long it takes. If that was too little, the next drain knows. */
const UNKNOWN_TAKES = 0.1
const PRESENCE_MS = 250
const FIRST_CALL_MS = 5_000

/**
 * Runs jobs for a limited time with a limited number of requests: a worker for edge crons and other short invocations.
 *
 * It starts only what fits, by how long each task took lately, and returns what it cannot finish. A job that has had nearly a
 * whole drain to itself has failed an attempt, so that one which is longer than any drain ends as failed instead of coming
 * back for ever. Safe beside `tq work` and other drains. Throws `InvalidOption` for options that cannot be, and what the broker
 * throws when it cannot be reached at the start.
 *
 * @example
 * ```ts
 * import { createClient, defineApp, defineTask, drain } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 *
 * const app = defineApp({ tasks: [defineTask({ name: 'tidy', run: () => {} })] })
 * const broker = sqliteBroker({ path: ':memory:' })
 * await createClient<typeof app>({ broker }).enqueue('tidy')
 *
 * const { ran, left } = await drain(app, { broker, budgetMs: 25_000 })
 * console.log(ran, left) // 1 false
 * ```
 */
export async function drain(app: App, options: DrainOptions): Promise<DrainReport> {
  const { budgetMs = 25_000, maxSubrequests = 40, stay = false, signal, ...given } = options
  const {
    clock = systemClock,
    maxJobs = Number.POSITIVE_INFINITY,
    name = 'drain',
    concurrency = 50,
    leaseMs = 30_000,
  } = given
  checkLimit('budgetMs', budgetMs, 100)
  checkLimit('maxSubrequests', maxSubrequests, KEPT_CALLS + 2)

  const timeMs = budgetMs - Math.min(KEPT_MS, budgetMs / 10)
  const endsAtMs = clock.monotonic() + timeMs
  const leftMs = () => Math.max(0, endsAtMs - clock.monotonic())
  const calls = countCalls(given.broker, { name, max: maxSubrequests, kept: KEPT_CALLS })
  const durations = await learnDurations(calls, { ...given, clock, deadlineMs: Math.min(FIRST_CALL_MS, timeMs / 2) })
  const sum = { ran: 0, failed: 0, returned: 0 }
  // What a job can have at the most: a second round trip brings it.
  const wholeMs = Math.max(0, 2 * leftMs() - timeMs)

  async function runWorker(): Promise<void> {
    let outOfTime = false
    const worker = createWorker(
      {
        ...given,
        app,
        broker: calls.broker,
        clock,
        name,
        concurrency,
        maxJobs: maxJobs - sum.ran,
        burst: true,
        lanes: 1,
      },
      {
        durations,
        admit: (run) => doesNotFit(durations.p95Ms(run.task), leftMs(), wholeMs),
        cutOff: (run) =>
          outOfTime && clock.monotonic() - run.startedAtMs >= NEARLY_ALL * wholeMs
            ? new DrainTooShort(run.task, budgetMs)
            : undefined,
        mayClaim: () => calls.left > KEPT_CALLS,
        presenceMs: PRESENCE_MS,
        // No longer than leases can wait to be extended.
        paceMs: () => Math.min(leaseMs / 3, leftMs() / Math.max(1, calls.left - KEPT_CALLS)),
      },
    )
    const stop = () => worker.stop({ graceMs: 0 })
    const cancel = clock.after(leftMs(), () => {
      outOfTime = true
      stop()
    })
    // From then on nobody extends leases.
    let cancelFew: (() => void) | undefined
    calls.onFew = () => {
      cancelFew ??= clock.after(leaseMs / 2, stop)
    }
    calls.onNone = stop
    signal?.addEventListener('abort', stop)
    if (signal?.aborted) stop()
    const letGo = () => {
      cancel()
      cancelFew?.()
      signal?.removeEventListener('abort', stop)
    }
    const { succeeded, failed, retried, cancelled, released } = await worker.run().finally(letGo)
    sum.ran += succeeded + failed + retried + cancelled
    sum.failed += failed + retried
    sum.returned += released
  }

  function isOver(): boolean {
    const dueInMs = calls.nextAtMs === null ? Number.POSITIVE_INFINITY : calls.nextAtMs - calls.nowMs
    const mayGoOn = stay && !signal?.aborted && sum.ran < maxJobs && calls.left > KEPT_CALLS
    return !mayGoOn || dueInMs >= leftMs()
  }

  /** Until something falls due, but not so soon that its requests would not last for its time: what is due by then runs together. */
  function waitMs(): number {
    const spacedMs = (ROUND_CALLS * leftMs()) / Math.max(1, calls.left - KEPT_CALLS)
    const dueInMs = (calls.nextAtMs ?? 0) - calls.nowMs
    return Math.max(0, dueInMs, Math.min(spacedMs, leftMs() / 2))
  }

  await runWorker()
  while (!isOver()) {
    await sleep(clock, waitMs(), signal)
    await runWorker()
  }
  return { ...sum, left: calls.more, nextAtMs: calls.nextAtMs, nowMs: calls.nowMs }
}

function checkLimit(option: string, value: number, min: number): void {
  if (!(Number.isFinite(value) && value >= min)) throw new InvalidOption(option, `${min} or more`, String(value))
}

/** Why a job that takes so long is not to be started with so much time left; null when it is. */
function doesNotFit(p95Ms: number | undefined, leftMs: number, wholeMs: number): NotNow | null {
  const neededMs = Math.min(p95Ms ?? UNKNOWN_TAKES * wholeMs, NEARLY_ALL * wholeMs)
  if (leftMs >= neededMs) return null
  const takes = p95Ms === undefined ? 'nobody knows how long it takes' : `it takes ${p95Ms} ms`
  // Until this drain is over, or it would claim the same job again and again.
  return { reason: `${takes}, and ${Math.round(leftMs)} ms of the drain are left`, forMs: Math.round(leftMs) + KEPT_MS }
}

interface LearnOptions extends Pick<WorkerOptions, 'onEvent' | 'random'> {
  readonly clock: Clock
  readonly deadlineMs: number
}

/** How long tasks take, as other workers and earlier drains have said with their presence. */
async function learnDurations({ broker }: CountedCalls, options: LearnOptions): Promise<Durations> {
  const durations = createDurations()
  const seen = await resend(() => broker.workers(), { call: 'workers', random: Math.random, ...options })
  for (const { p95Ms } of seen.toSorted((a, b) => a.seenAtMs - b.seenAtMs)) durations.learn(p95Ms ?? {})
  return durations
}
