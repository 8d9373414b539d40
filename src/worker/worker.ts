import { CANCELS, type ExchangeReply, type LeaseRef, MAX_BATCH_BYTES } from '../broker.ts'
import { checkBroker } from '../check.ts'
import { InvalidOption, isTqError, toError } from '../errors.ts'
import type { WorkerTotals } from '../events.ts'
import { resend } from '../resend.ts'
import { spentOn } from '../spent.ts'
import { createAhead } from './ahead.ts'
import { createDurations } from './durations.ts'
import { createHoldings } from './holdings.ts'
import { createLane, type Lane } from './lane.ts'
import { type WorkerLimits, type WorkerOptions, withDefaults } from './options.ts'
import { createOutbox } from './outbox.ts'
import { createRunner } from './runner.ts'
import { createSearch } from './search.ts'

export type { WorkerOptions }

export interface Worker {
  /** Works until it is stopped; resolves with what it has done. Rejects with `UnusableStore` when its broker's store cannot be used. */
  run(): Promise<WorkerTotals>
  /**
   * Claims nothing more, lets running jobs finish for `graceMs` (default 10,000), then aborts what still runs and returns
   * it to its queue at once, uncounted. A second call with a shorter time shortens it; 0 returns everything now.
   */
  stop(options?: { graceMs?: number }): void
}

const DEFAULT_GRACE_MS = 10_000
/** An exchange costs as many commands for few jobs as for many: a lane leaves nothing to another for less than this. */
const MIN_CLAIM = 10
const PRESENCE_MS = 30_000
/** A worker is said to be there for two minutes. One that only looks says so no more often than that asks for. */
const IDLE_PRESENCE_MS = 115_000 - PRESENCE_MS
/** What was claimed ahead is given back after so many parts of a lease: the jobs before it take longer than expected. */
const STOCK_LEASE_PARTS = 30
/** After a call to the broker failed for good: how long until the worker tries the next one. */
const OUTAGE_PAUSE_MS = 1_000

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
export function createWorker(options: WorkerOptions, limits: WorkerLimits = {}): Worker {
  const {
    app,
    broker,
    queues,
    concurrency,
    leaseMs,
    laneCount,
    burst,
    maxJobs,
    runtime,
    clock,
    worker,
    onEvent,
    callbacks,
    ...given
  } = withDefaults(options)
  const { durations = createDurations(), presenceMs = PRESENCE_MS, mayClaim = () => true } = limits
  const outage = new AbortController()
  // A resend stops before the lease does: after that another worker may hold the jobs.
  const resending = { ...given, clock, deadlineMs: leaseMs * 0.6, onEvent, signal: outage.signal }
  const lanes = Array.from({ length: laneCount }, (_, at) => createLane(`${worker}.${at}`, broker, resending))
  const totals = { succeeded: 0, retried: 0, failed: 0, released: 0, cancelled: 0, late: 0, exchanges: 0 }
  const startedAtMs = clock.now()
  const outbox = createOutbox()
  const holdings = createHoldings(leaseMs)
  const ahead = createAhead(concurrency)
  const search = createSearch({
    probeMs: leaseMs,
    canPeek: broker.peek !== undefined,
    share: () => Math.max(share(), MIN_CLAIM),
    hasHints: () => unlisten.length > 0,
    random: given.random,
  })
  const runner = createRunner({
    ...{ ...given, app, holdings, outbox, concurrency, leaseMs, clock, totals, onEvent, durations },
    admit: limits.admit,
    cutOff: limits.cutOff,
    onFinished: ahead.finished,
    onChange: pumpSoon,
  })

  let phase: Phase = 'new'
  let claimed = 0
  let nextPresenceMs = clock.monotonic()
  let graceEndsMs = Number.POSITIVE_INFINITY
  let pausedUntilMs = 0
  let pacedUntilMs = 0
  let pumpQueued = false
  let cancelTimer: (() => void) | undefined
  let unlisten: readonly (() => void)[] = []
  let finish: (totals: WorkerTotals) => void = () => {}
  let failRun: (error: Error) => void = () => {}

  /** Sends as many exchanges as there is reason and a free lane for, then sleeps until there is another reason. */
  function pump(): void {
    pumpQueued = false
    if (phase === 'new' || phase === 'stopped') return
    const nowMs = clock.monotonic()
    if (phase === 'draining' && nowMs >= graceEndsMs) endGrace()
    if (nowMs >= stockEndsMs()) giveStockBack()
    if (nowMs >= sendFromMs()) for (let lane = nextLane(nowMs); lane; lane = nextLane(nowMs)) void send(lane, nowMs)
    if (nowMs >= pausedUntilMs && lookIsDue(nowMs)) void look(nowMs)
    if (isDone(nowMs)) stopped()
    else sleepUntilNextReason(nowMs)
  }

  function sendFromMs(): number {
    return holdings.running > 0 ? Math.max(pausedUntilMs, pacedUntilMs) : pausedUntilMs
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
    const alone = !lanes.some(({ busy }) => busy)
    const worth = alone ? 1 : share()
    if (outbox.length >= worth || (search.isOn(nowMs) && freeSlots() >= worth)) return lane
    return alone && holdings.nextExtensionMs <= nowMs ? lane : undefined
  }

  /** How many jobs may be held, running or claimed ahead. Where a call is no round trip nothing is to be claimed ahead. */
  function capacity(): number {
    return concurrency + (broker.local ? 0 : ahead.jobs)
  }

  /** A lane's part of them: what makes a second one worth sending beside a busy one. */
  function share(): number {
    return Math.ceil(capacity() / laneCount)
  }

  function asked(): number {
    return lanes.reduce((sum, { wanted }) => sum + wanted, 0)
  }

  /** How many jobs could be claimed now, those claimed ahead included. */
  function freeSlots(): number {
    if (phase !== 'running' || !mayClaim()) return 0
    return Math.max(0, Math.min(capacity() - holdings.size - asked(), maxJobs - claimed - asked()))
  }

  /** How many jobs that are claimed now would be started at once. */
  function startableSlots(): number {
    return Math.max(0, concurrency - holdings.size - asked())
  }

  /** A lane that asked when nothing could be started at once does not wait for hints; where it is the last one, nobody does. */
  function isUnheard(): boolean {
    return unlisten.length > 0 && freeSlots() > 0 && startableSlots() > 0 && lanes.every(({ busy }) => !busy)
  }

  function stockEndsMs(): number {
    return holdings.stockSinceMs + leaseMs / STOCK_LEASE_PARTS
  }

  /** Another worker may be free to start them. */
  function giveStockBack(): void {
    ahead.reset()
    claimed -= runner.releaseStock('claimed ahead, and the jobs before it take long')
  }

  async function send(lane: Lane, nowMs: number): Promise<void> {
    const extend = holdings.takeExtensions(nowMs)
    const settle = outbox.take(MAX_BATCH_BYTES - holdings.bytesOf(extend))
    const free = freeSlots()
    const want = search.wanted(free)
    const startable = startableSlots()
    const waitMs = unlisten.length > 0 && want > 0 ? 2 * leaseMs : 0
    const takeLost = !holdings.holdsLost(lane.id)
    search.asked(want, free)
    totals.exchanges++
    pacedUntilMs = nowMs + (limits.paceMs?.() ?? 0)
    try {
      const counts = { want, ahead: Math.max(0, want - startable) }
      const told = callbacks && { callbacks }
      const request = { queues, ...counts, takeLost, leaseMs, settle, extend, waitMs, ...told, ...presenceDue(nowMs) }
      const reply = await lane.exchange(request)
      ahead.answered(nowMs, clock.monotonic())
      receive(lane, want, [...settle, ...extend], reply)
      if (reply.jobs.length >= startable && isUnheard()) search.again()
    } catch (thrown) {
      const error = toError(thrown)
      outbox.giveBack(settle, error)
      holdings.giveBack(extend, clock.monotonic())
      // No waiting mends a store that cannot be used.
      if (isTqError(error, 'UnusableStore')) return abandon(error)
      if (isTqError(error, 'TooLarge')) search.again()
      else failed()
    }
    pumpSoon()
  }

  function lookIsDue(nowMs: number): boolean {
    return search.nextLookMs <= nowMs && freeSlots() > 0 && lanes.every(({ busy }) => !busy)
  }

  /** An idle worker does not exchange: it only looks whether it should. */
  async function look(nowMs: number): Promise<void> {
    const request = { queues, ...presenceDue(nowMs, leaseMs - IDLE_PRESENCE_MS) }
    search.looking()
    try {
      const peek = await resend(async () => broker.peek?.(request), { call: 'peek', ...resending })
      if (peek) search.looked(peek, clock.monotonic())
    } catch {
      failed()
    }
    pumpSoon()
  }

  function presenceDue(nowMs: number, aheadMs = 0) {
    if (nowMs + aheadMs < nextPresenceMs) return {}
    nextPresenceMs = nowMs + presenceMs
    const p95Ms = durations.all()
    const said = { worker, queues, concurrency, running: holdings.running, runtime, startedAtMs, ...spentOn(broker) }
    return { presence: p95Ms ? { ...said, p95Ms } : said }
  }

  function receive(lane: Lane, want: number, sent: readonly LeaseRef[], reply: ExchangeReply): void {
    const late = new Set(reply.late)
    if (late.size > 0) for (const ref of sent) if (late.has(ref.id)) runner.lostLease(ref)
    for (const id of reply.cancelled) runner.cancel(id)
    for (const job of reply.jobs) {
      if (phase === 'running') runner.start(job, lane.id)
      else runner.refuse(job, lane.id)
    }
    claimed += reply.jobs.length
    if (want > 0) search.answered(reply, want, clock.monotonic())
  }

  /**
   * The broker could not be reached for longer than a resend may go on. What was to be settled is kept and tried again,
   * but for a worker that has nothing else left to do: it goes, and its leases end by themselves.
   */
  function failed(): void {
    if (phase === 'draining' && holdings.size === 0) outbox.clear()
    search.again()
    pausedUntilMs = clock.monotonic() + OUTAGE_PAUSE_MS
  }

  function sleepUntilNextReason(nowMs: number): void {
    cancelTimer?.()
    cancelTimer = undefined
    const untilMs = Math.min(Math.max(sendFromMs(), nextExchangeMs()), Math.max(pausedUntilMs, graceEndsMs))
    if (untilMs === Number.POSITIVE_INFINITY) return
    cancelTimer = clock.after(Math.max(0, untilMs - nowMs), pumpSoon)
  }

  /** A reply that is on its way is followed by a look at everything; until then no time matters. */
  function nextExchangeMs(): number {
    if (lanes.some(({ busy }) => busy)) return Number.POSITIVE_INFINITY
    if (outbox.length > 0) return 0
    const searchMs = freeSlots() > 0 ? Math.min(search.nextMs, search.nextLookMs) : Number.POSITIVE_INFINITY
    return Math.min(holdings.nextExtensionMs, searchMs, stockEndsMs())
  }

  function isDone(nowMs: number): boolean {
    const idle = holdings.size === 0 && outbox.length === 0 && lanes.every(({ busy }) => !busy)
    if (!idle || phase === 'new') return false
    return phase === 'draining' || claimed >= maxJobs || (burst && !(search.isOn(nowMs) && mayClaim()))
  }

  function endGrace(): void {
    graceEndsMs = Number.POSITIVE_INFINITY
    runner.releaseAll()
  }

  function abandon(error: Error): void {
    for (const run of holdings.all()) holdings.abandon(run)
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
    const all = { ...totals, ...spentOn(broker) }
    onEvent?.({ kind: 'worker.stopped', worker, totals: all })
    finish(all)
  }

  function hinted(kind?: 'look'): void {
    if (kind === 'look') search.look()
    else search.again()
    pumpSoon()
  }

  /** Missed ones are heard of with the next extension. */
  function mayCancel(kind?: 'look', id?: string): void {
    if (kind === 'look') return
    holdings.ask(id, clock.monotonic())
    pumpSoon()
  }

  async function listen(): Promise<void> {
    const { wake } = broker
    if (!wake || burst) return
    try {
      const heard = lanes.map(({ id }) => wake.listen(id, hinted))
      unlisten = await Promise.all([...heard, wake.listen(CANCELS, mayCancel)])
    } catch (error) {
      // Without hints it polls.
      onEvent?.({ kind: 'broker.failed', call: 'listen', reason: toError(error).message })
    }
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
      // Both before the first exchange, and at once. One that only drains its queues is gone before it would matter.
      const [unusable] = await Promise.all([burst ? undefined : checkBroker(broker, onEvent), listen()])
      if (unusable) abandon(unusable)
      pump()
      return done
    },
    stop({ graceMs = DEFAULT_GRACE_MS } = {}) {
      if (!(graceMs >= 0)) throw new InvalidOption('graceMs', 'milliseconds, 0 or more', String(graceMs))
      if (phase === 'new') phase = 'stopped'
      if (phase === 'stopped') return
      if (phase !== 'draining') onEvent?.({ kind: 'worker.stopping', worker, running: holdings.running })
      phase = 'draining'
      runner.releaseStock('shutdown')
      graceEndsMs = Math.min(graceEndsMs, clock.monotonic() + graceMs)
      if (graceMs === 0) outage.abort()
      pumpSoon()
    },
  }
}
