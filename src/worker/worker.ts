import { v7 } from 'uuid'
import { type App, unknownTask } from '../app.ts'
import {
  type Broker,
  type ClaimedJob,
  type ExchangeReply,
  type Extension,
  type LeaseRef,
  MAX_BATCH_BYTES,
  type Settlement,
} from '../broker.ts'
import { type Clock, systemClock } from '../clock.ts'
import { InvalidOption, isTqError, toError } from '../errors.ts'
import { type OnEvent, type WorkerTotals, withoutThrowing } from '../events.ts'
import { utf8Bytes } from '../job.ts'
import { exponential } from '../retry.ts'
import { DEFAULT_QUEUE } from '../words.ts'
import { execute, refusal } from './execute.ts'
import { createLane, type Lane } from './lane.ts'
import { Run } from './run.ts'

export interface WorkerOptions {
  readonly app: App
  readonly broker: Broker
  /** In the order in which they are served: a later one gets what the earlier ones leave. Default `['default']`. */
  readonly queues?: readonly string[]
  /** How many jobs run at once. Default 10. */
  readonly concurrency?: number
  /** How long a claimed job stays this worker's without an extension. Default 30,000. */
  readonly leaseMs?: number
  /** Lines to the broker; a second one hides the round trip of the first. Default 2. */
  readonly lanes?: number
  /** Shown in `tq queues`. Default `worker`. */
  readonly name?: string
  /** What it runs on, shown beside the name. */
  readonly runtime?: string
  /** Stops by itself once nothing is claimable. */
  readonly burst?: boolean
  /** Stops by itself after so many jobs. */
  readonly maxJobs?: number
  /** The largest result as JSON text. Default 1 MiB. */
  readonly maxResultBytes?: number
  readonly clock?: Clock
  readonly random?: () => number
  readonly newId?: () => string
  readonly onEvent?: OnEvent | undefined
}

export interface Worker {
  /** Works until it is stopped; resolves with what it has done. Rejects with `UnusableStore` when its broker's data is broken. */
  run(): Promise<WorkerTotals>
  /**
   * Claims nothing more, lets running jobs finish for `graceMs` (default 10,000), then aborts what still runs and returns
   * it to its queue at once, uncounted. A second call with a shorter time shortens it; 0 returns everything now.
   */
  stop(options?: { graceMs?: number }): void
}

const DEFAULT_GRACE_MS = 10_000
const MAX_SETTLEMENTS = 500
const MAX_EXTENSIONS = 300
/** Progress goes with an exchange that is made anyway, or with one of its own after so long. */
const PROGRESS_MS = 500
const PRESENCE_MS = 30_000
/** A broker without hints is asked again after pauses that grow from the first to the second. */
const POLL_FIRST_MS = 50
const POLL_LAST_MS = 5_000
/** A job of a task this worker lacks is put back for so long, doubling with each time. */
const unknownTaskBackoff = exponential({ baseMs: 1_000, maxMs: 60_000, jitter: 'none' })
/** After a call to the broker failed for good: how long until the worker tries the next one. */
const OUTAGE_PAUSE_MS = 1_000

const WORKER_NAME = /^[\w.:-]{1,100}$/

type Phase = 'new' | 'running' | 'draining' | 'stopped'

/**
 * Creates a worker: it claims jobs from its queues, runs their handlers and settles what becomes of them.
 *
 * Throws `InvalidOption` for options that cannot be.
 *
 * @example
 * ```ts
 * import { createClient, createWorker, defineApp, defineTask } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 *
 * const app = defineApp({ tasks: [defineTask({ name: 'tidy', run: () => {} })] })
 * const broker = sqliteBroker({ path: ':memory:' })
 * await createClient<typeof app>({ broker }).enqueue('tidy')
 *
 * const worker = createWorker({ app, broker, burst: true })
 * const totals = await worker.run()
 * console.log(totals.succeeded) // 1
 * ```
 */
export function createWorker(options: WorkerOptions): Worker {
  const {
    app,
    broker,
    queues = [DEFAULT_QUEUE],
    concurrency = 10,
    leaseMs = 30_000,
    lanes: laneCount = 2,
    name = 'worker',
    runtime = 'unknown',
    burst = false,
    maxJobs = Number.POSITIVE_INFINITY,
    maxResultBytes = 1_048_576,
    clock = systemClock,
    random = Math.random,
    newId = v7,
  } = options
  const onEvent = options.onEvent && withoutThrowing(options.onEvent)
  checkWhole('concurrency', concurrency, 1, 1_000)
  checkWhole('lanes', laneCount, 1, 16)
  checkWhole('leaseMs', leaseMs, 1_000, 86_400_000)
  if (!WORKER_NAME.test(name))
    throw new InvalidOption('name', '1 to 100 letters, digits or . _ : -', `${name.length} characters`)
  if (queues.length === 0) throw new InvalidOption('queues', 'at least one queue', 'none')

  const worker = `${name}.${newId()}`
  const outage = new AbortController()
  const lanes = Array.from({ length: laneCount }, (_, at) =>
    // A resend stops before the lease does: after that another worker may hold the jobs.
    createLane(`${worker}.${at}`, broker, { clock, random, deadlineMs: leaseMs * 0.6, onEvent, signal: outage.signal }),
  )
  const running = new Map<string, Run>()
  const outbox: Settlement[] = []
  const unknownSeen = new Map<string, number>()
  const executeOptions = { clock, random, maxResultBytes, onEvent }
  const totals = { succeeded: 0, retried: 0, failed: 0, released: 0, cancelled: 0, late: 0, exchanges: 0 }
  const startedAtMs = clock.now()
  const hooks = { onEvent, onProgress: progressed }

  let phase: Phase = 'new'
  /** Whether the broker may have jobs for us: at the start, after a hint, when something falls due, while claims come back full. */
  let claimable = true
  let claimed = 0
  let pollMs = POLL_FIRST_MS
  let nextLookMs = Number.POSITIVE_INFINITY
  let nextPresenceMs = clock.monotonic()
  let progressAtMs = Number.POSITIVE_INFINITY
  let graceEndsMs = Number.POSITIVE_INFINITY
  let pausedUntilMs = 0
  let pumpQueued = false
  let cancelTimer: (() => void) | undefined
  let unlisten: readonly (() => void)[] = []
  let finish: (totals: WorkerTotals) => void = () => {}
  let failRun: (error: Error) => void = () => {}

  /* What goes out ------------------------------------------------------------------------------------------------- */

  /** Sends as many exchanges as there is reason and a free lane for, then sleeps until there is another reason. */
  function pump(): void {
    pumpQueued = false
    if (phase === 'new' || phase === 'stopped') return
    const nowMs = clock.monotonic()
    if (nowMs >= nextLookMs) claimable = true
    if (phase === 'draining' && nowMs >= graceEndsMs) releaseAll()
    if (nowMs >= pausedUntilMs) for (let lane = nextLane(nowMs); lane; lane = nextLane(nowMs)) void send(lane, nowMs)
    if (isDone()) stopped()
    else sleepUntilNextReason(nowMs)
  }

  /** Jobs that end together settle together: the pump runs after the microtasks that are queued by now. */
  function pumpSoon(): void {
    if (pumpQueued) return
    pumpQueued = true
    queueMicrotask(() => queueMicrotask(pump))
  }

  /** A free lane, when there is reason for an exchange. A further lane beside a busy one only takes its fair share or more. */
  function nextLane(nowMs: number): Lane | undefined {
    const lane = lanes.find(({ busy }) => !busy)
    if (!lane) return undefined
    const others = lanes.some(({ busy }) => busy)
    const share = others ? Math.max(1, Math.ceil(concurrency / lanes.length)) : 1
    if (outbox.length >= share || (claimable && freeSlots() >= share)) return lane
    return !others && (nextExtensionMs() <= nowMs || progressAtMs <= nowMs) ? lane : undefined
  }

  function freeSlots(): number {
    if (phase !== 'running') return 0
    const asked = lanes.reduce((sum, { wanted }) => sum + wanted, 0)
    return Math.max(0, Math.min(concurrency - running.size - asked, maxJobs - claimed - asked))
  }

  async function send(lane: Lane, nowMs: number): Promise<void> {
    const settle = takeSettlements()
    const extend = takeExtensions(nowMs)
    const want = freeSlots()
    const presence = nowMs >= nextPresenceMs ? { presence: takePresence(nowMs) } : {}
    const waitMs = unlisten.length > 0 && want > 0 ? 2 * leaseMs : 0
    // Until the reply says otherwise; a hint that comes meanwhile sets it again and counts.
    if (want > 0) {
      claimable = false
      nextLookMs = Number.POSITIVE_INFINITY
    }
    totals.exchanges++
    try {
      const takeLost = ![...running.values()].some((run) => run.lost > 0 && run.lane === lane.id)
      const request = { queues, want, takeLost, leaseMs, settle, extend, waitMs, ...presence }
      const reply = await lane.exchange(request)
      for (const ref of [...settle, ...extend]) if (reply.late.includes(ref.id)) lostLease(ref)
      receive(lane, want, reply)
    } catch (thrown) {
      outbox.unshift(...settle)
      const error = toError(thrown)
      if (isTqError(error, 'UnusableStore')) return abandon(error)
      outaged(error)
    }
    pumpSoon()
  }

  /** Bounded in number and in bytes; the first one always goes. */
  function takeSettlements(): Settlement[] {
    let count = 0
    for (let bytes = 0; count < Math.min(outbox.length, MAX_SETTLEMENTS); count++) {
      bytes += settlementBytes(outbox[count] as Settlement)
      if (count > 0 && bytes > MAX_BATCH_BYTES) break
    }
    return outbox.splice(0, count)
  }

  /**
   * The broker could not be reached for longer than a resend may go on. What was to be settled is kept and tried again,
   * but for a worker that has nothing else left to do: it goes, and its leases end by themselves.
   */
  function outaged(error: Error): void {
    if (phase === 'draining' && running.size === 0) outbox.length = 0
    claimable = true
    pausedUntilMs = clock.monotonic() + OUTAGE_PAUSE_MS
    if (!isTqError(error)) onEvent?.({ kind: 'broker.failed', call: 'exchange', reason: error.message })
  }

  function takePresence(nowMs: number) {
    nextPresenceMs = nowMs + PRESENCE_MS
    return { worker, queues, concurrency, running: running.size, runtime, startedAtMs }
  }

  /* Leases -------------------------------------------------------------------------------------------------------- */

  /** The map keeps the order of claims and extensions, so its first entry is the one due first. */
  function nextExtensionMs(): number {
    for (const run of running.values()) return run.extendAtMs
    return Number.POSITIVE_INFINITY
  }

  function takeExtensions(nowMs: number): Extension[] {
    const extend: Extension[] = []
    if (nextExtensionMs() > nowMs && progressAtMs === Number.POSITIVE_INFINITY) return extend
    for (const run of [...running.values()]) {
      const due = run.extendAtMs <= nowMs
      if (!due && run.freshProgress === undefined) continue
      if (extend.length === MAX_EXTENSIONS) break
      extend.push({
        id: run.id,
        epoch: run.job.epoch,
        ...(run.freshProgress === undefined ? {} : { progress: run.freshProgress }),
      })
      run.freshProgress = undefined
      run.extendAtMs = nowMs + leaseMs / 3
      running.delete(run.id)
      running.set(run.id, run)
    }
    progressAtMs = Number.POSITIVE_INFINITY
    return extend
  }

  /* What comes in ------------------------------------------------------------------------------------------------- */

  function receive(lane: Lane, want: number, reply: ExchangeReply): void {
    for (const id of reply.cancelled) cancel(id)
    for (const job of reply.jobs) start(lane, job)
    claimed += reply.jobs.length
    if (want > 0) planNextLook(reply, reply.jobs.length === want)
  }

  function planNextLook({ nowMs, nextAtMs, jobs }: ExchangeReply, full: boolean): void {
    if (jobs.length > 0) pollMs = POLL_FIRST_MS
    const inMs = nextAtMs === null ? Number.POSITIVE_INFINITY : nextAtMs - nowMs
    // An exchange that brought jobs has not registered the lane as waiting: the next one does, or brings more.
    if (inMs <= 0 || full || (jobs.length > 0 && unlisten.length > 0)) {
      claimable = true
      return
    }
    const probeMs = unlisten.length > 0 ? leaseMs : pollMs
    pollMs = Math.min(POLL_LAST_MS, pollMs * 2)
    nextLookMs = Math.min(nextLookMs, clock.monotonic() + Math.min(inMs, probeMs))
  }

  function start(lane: Lane, job: ClaimedJob): void {
    const nowMs = clock.monotonic()
    const times = { startedAtMs: nowMs, extendAtMs: nowMs + leaseMs / 3 }
    const run = new Run(job, app.tasks.get(job.task), lane.id, times, hooks)
    const before = running.get(run.id)
    if (before) abandonRun(before)
    running.set(run.id, run)
    const reason = refusal(run)
    if (phase !== 'running') release(run, 'shutdown', 0)
    else if (reason === null && run.definition) {
      void execute(run, run.definition, executeOptions).then((settlement) => settle(run, settlement))
    } else putBack(run, reason ?? '')
  }

  function progressed(): void {
    progressAtMs = Math.min(progressAtMs, clock.monotonic() + PROGRESS_MS)
    pumpSoon()
  }

  function settle(run: Run, settlement: Settlement): void {
    if (run.released) return
    if (running.get(run.id) === run) running.delete(run.id)
    totals[TOTAL_OF[settlement.kind]]++
    outbox.push(run.freshProgress === undefined ? settlement : { ...settlement, progress: run.freshProgress })
    pumpSoon()
  }

  /** For a worker that can run it, later and later, and said once per task. */
  function putBack(run: Run, reason: string): void {
    const times = (unknownSeen.get(run.task) ?? 0) + 1
    unknownSeen.set(run.task, times)
    if (times === 1 && !run.definition) {
      const { suggestion } = unknownTask(run.task, app.tasks.keys())
      onEvent?.({ kind: 'task.unknown', task: run.task, ...(suggestion ? { suggestion } : {}) })
    }
    release(run, reason, unknownTaskBackoff(times, random))
  }

  function release(run: Run, reason: string, delayMs: number): void {
    onEvent?.({ kind: 'job.released', id: run.id, task: run.task, reason, delayMs })
    settle(run, { kind: 'released', id: run.id, epoch: run.job.epoch, delayMs })
    run.released = true
  }

  function releaseAll(): void {
    graceEndsMs = Number.POSITIVE_INFINITY
    for (const run of [...running.values()]) {
      release(run, 'shutdown', 0)
      run.abort('shutdown')
    }
  }

  function cancel(id: string): void {
    const run = running.get(id)
    if (!run) return
    run.cancelled = true
    run.abort('cancelled')
  }

  /** The job may be in our hands again, under a later lease: that one stays. */
  function lostLease({ id, epoch }: LeaseRef): void {
    totals.late++
    const run = running.get(id)
    if (run?.job.epoch === epoch) abandonRun(run)
    onEvent?.({ kind: 'job.late', id, task: run?.task ?? '' })
  }

  function abandonRun(run: Run): void {
    run.released = true
    running.delete(run.id)
    run.abort('lease lost')
  }

  /* Sleeping and stopping ------------------------------------------------------------------------------------------ */

  function sleepUntilNextReason(nowMs: number): void {
    cancelTimer?.()
    cancelTimer = undefined
    const untilMs = Math.max(pausedUntilMs, Math.min(nextExchangeMs(), graceEndsMs))
    if (untilMs === Number.POSITIVE_INFINITY) return
    cancelTimer = clock.after(Math.max(0, untilMs - nowMs), pumpSoon)
  }

  /** A reply that is on its way is followed by a look at everything; until then no time matters. */
  function nextExchangeMs(): number {
    if (lanes.some(({ busy }) => busy)) return Number.POSITIVE_INFINITY
    const lookMs = freeSlots() > 0 ? (claimable ? 0 : nextLookMs) : Number.POSITIVE_INFINITY
    return outbox.length > 0 ? 0 : Math.min(lookMs, nextExtensionMs(), progressAtMs)
  }

  function isDone(): boolean {
    const idle = running.size === 0 && outbox.length === 0 && lanes.every(({ busy }) => !busy)
    if (phase === 'running' && idle && claimed >= maxJobs) return true
    if (phase === 'running' && idle && burst && !claimable) return true
    return phase === 'draining' && idle
  }

  /** No waiting mends a store that cannot be used. */
  function abandon(error: Error): void {
    for (const run of running.values()) run.abort('lease lost')
    close()
    failRun(error)
  }

  function close(): void {
    phase = 'stopped'
    cancelTimer?.()
    for (const end of unlisten) end()
  }

  function stopped(): void {
    close()
    onEvent?.({ kind: 'worker.stopped', worker, totals: { ...totals } })
    finish({ ...totals })
  }

  function hinted(): void {
    claimable = true
    pumpSoon()
  }

  async function listen(): Promise<void> {
    const wake = broker.wake
    if (wake && !burst) unlisten = await Promise.all(lanes.map(({ id }) => wake.listen(id, hinted)))
    // It may have been stopped meanwhile.
    if (hasStopped()) for (const end of unlisten) end()
  }

  function hasStopped(): boolean {
    return phase === 'stopped'
  }

  return {
    async run() {
      if (phase === 'stopped') return { ...totals }
      if (phase !== 'new') throw new InvalidOption('a worker', 'run once', 'run again')
      phase = 'running'
      onEvent?.({ kind: 'worker.started', worker, queues, concurrency })
      const done = new Promise<WorkerTotals>((resolve, reject) => {
        finish = resolve
        failRun = reject
      })
      await listen()
      pump()
      return done
    },
    stop({ graceMs = DEFAULT_GRACE_MS } = {}) {
      if (phase === 'new') phase = 'stopped'
      if (phase === 'stopped') return
      if (phase !== 'draining') onEvent?.({ kind: 'worker.stopping', worker, running: running.size })
      phase = 'draining'
      graceEndsMs = Math.min(graceEndsMs, clock.monotonic() + graceMs)
      if (graceMs === 0) outage.abort()
      pumpSoon()
    },
  }
}

/** What a settlement weighs besides a result: an id, and the error that was kept of it at most. */
const SETTLEMENT_BYTES = 300

function settlementBytes(settlement: Settlement): number {
  return SETTLEMENT_BYTES + ('result' in settlement ? utf8Bytes(settlement.result) : 0)
}

const TOTAL_OF = {
  succeeded: 'succeeded',
  retry: 'retried',
  failed: 'failed',
  cancelled: 'cancelled',
  released: 'released',
} as const satisfies Record<Settlement['kind'], keyof WorkerTotals>

function checkWhole(option: string, value: number, min: number, max: number): void {
  if (!(Number.isInteger(value) && value >= min && value <= max))
    throw new InvalidOption(option, `a whole number from ${min} to ${max}`, String(value))
}
