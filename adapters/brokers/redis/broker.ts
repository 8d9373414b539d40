import { checkBounds, type QueueBounds } from '../../../src/bounds.ts'
import type {
  Broker,
  BrokerStats,
  CancelOutcome,
  EnqueueOutcome,
  ExchangeReply,
  FireOutcome,
  OnHint,
  Peek,
  PeekRequest,
  PromoteOutcome,
  Purged,
  RemoveOutcome,
  RetryOutcome,
  SeenWorker,
  WorkerPresence,
} from '../../../src/broker.ts'
import { MAX_BATCH_JOBS } from '../../../src/broker.ts'
import { type Clock, systemClock } from '../../../src/clock.ts'
import { InvalidOption, StaleExchange } from '../../../src/errors.ts'
import type { Job, JobRecord } from '../../../src/job.ts'
import { checkMaxEvents, type TransitionOptions } from '../../../src/transitions.ts'
import { isFinished } from '../../../src/words.ts'
import { createBeatMarks } from './beats.ts'
import { checkInfo } from './check.ts'
import { ENQUEUE, enqueueArguments, isAnyTwice, toEnqueueOutcomes } from './enqueue.ts'
import { EXCHANGE } from './exchange.ts'
import { FIRE, fireArguments } from './fire.ts'
import { createKeys } from './keys.ts'
import { listJobs } from './list.ts'
import { CANCEL, GET_AND_WAIT, PROMOTE, PRUNE, PURGE, REMOVE, RETRY, SET_PAUSED, STATS } from './operations.ts'
import { lookAtQueues } from './peek.ts'
import { COUNT_CALL, rateArguments, toRatesLeft } from './rates.ts'
import { readTexts, type Texts } from './read.ts'
import { toActive, toRecord } from './record.ts'
import { createRest, notOurs } from './rest.ts'
import { createScheduleReads } from './schedules.ts'
import { SET_SCHEDULES, setScheduleArguments } from './set-schedules.ts'
import { WORKER_SEEN_MS } from './sweep.ts'
import { createTransitionReader } from './transitions.ts'
import { createWake } from './wake.ts'
import { exchangeArguments, toExchangeReply, toPresenceText } from './wire.ts'

/** Default bounds: 1,000,000 ready and 500,000 timed, for the sake of the size of a key. */
export interface RedisBrokerOptions extends QueueBounds, TransitionOptions {
  /** Of the database's REST API: Upstash, or `tq gateway`. */
  readonly url: string
  readonly token: string
  /** Lets several apps share a database. Default `tq`. */
  readonly prefix?: string
  /** How long one call may take. Default 10,000. */
  readonly callTimeoutMs?: number
  /** Whether to be told of new jobs by server-sent events; without, workers poll. Default true. */
  readonly subscribe?: boolean
  readonly clock?: Clock
  readonly random?: () => number
  /** Time from `clock` instead of the server's: for tests. */
  readonly ownTime?: boolean
}

const CHANGE_OUTCOMES = ['set', 'existing', 'moved'] as const
/** Jobs whose records expire are swept in passing, once so many have been settled. */
const SWEEP_EVERY = 450
const SWEEP_EVERY_MS = 10_000
/** Workers without hints are counted no more often. */
const COUNT_MS = 25_000

/**
 * The broker on an HTTP-accessible Redis: Upstash, or any Redis 7.0 or Valkey behind `tq gateway`.
 *
 * Throws `InvalidOption` for an address or a token that cannot be. Its calls throw `BrokerUnavailable` when there is no answer,
 * `BrokerRefused` when a token, a right or a quota does not suffice, `StorageFull` and `TooLarge`.
 */
export function redisBroker(options: RedisBrokerOptions): Broker {
  const { url, token, prefix = 'tq', callTimeoutMs = 10_000, maxReady = 1_000_000, maxTimed = 500_000 } = options
  const { whenFull = 'reject', subscribe = true, clock = systemClock, random = Math.random, ownTime = false } = options
  checkBounds(options)
  const maxEvents = checkMaxEvents(options) ?? 0
  if (!/^https?:\/\/.+/.test(url ?? ''))
    throw new InvalidOption('url', 'the address of a Redis REST API (https://...)', url ? 'another text' : 'none')
  if (!token) throw new InvalidOption('token', 'the token of the Redis REST API', 'none')
  if (!/^[\w.-]{1,50}$/.test(prefix))
    throw new InvalidOption('prefix', '1 to 50 letters, digits or . _ -', `${prefix.length} characters`)

  const address = url.replace(/\/+$/, '')
  const keys = createKeys(prefix)
  const rest = createRest({
    url: address,
    token,
    prefix: keys.prefix,
    maxEvents,
    metaKey: keys.named('meta'),
    callTimeoutMs,
  })
  const beatMarks = createBeatMarks(rest, keys)
  const knownQueues = new Set<string>()
  const registered = new Set<string>()
  const woken = new Set<string>()
  /** Where each lane of this process was last seen to wait. */
  const waitedIn = new Map<string, readonly string[]>()
  const leaving = new Set<Promise<unknown>>()
  /** How many workers were here lately, when last counted. */
  let workers = 1
  let countedAtMs = Number.NEGATIVE_INFINITY
  /** Whether the last look found what nobody has told us of. */
  let hintsMissed = false
  let streams = 0
  let settledSinceSweep = 0
  let sweptAtMs = clock.monotonic()
  /** The server's time less our monotonic clock, from the last reply that told it. */
  let serverOffsetMs: number | undefined

  const wake = subscribe
    ? createWake({
        url: address,
        token,
        channel: keys.named('wake'),
        clock,
        random,
        onOpened: () => {
          streams++
        },
        onHint: (waiter) => {
          registered.delete(waiter)
          woken.add(waiter)
        },
        workers: () => workers,
      })
    : undefined

  const nowArgument = () => (ownTime ? String(Math.round(clock.now())) : '')
  const learnTime = (nowMs: number) => {
    serverOffsetMs = nowMs - clock.monotonic()
    return nowMs
  }
  const estimatedNowMs = () =>
    Math.round(ownTime || serverOffsetMs === undefined ? clock.now() : clock.monotonic() + serverOffsetMs)
  const knownNowMs = () => (ownTime || serverOffsetMs !== undefined ? estimatedNowMs() : undefined)
  const reads = createScheduleReads({ rest, keys, nowArgument, learnTime, knownNowMs })
  const limits = (jobs: readonly Job[]) => {
    const fresh = jobs.some(({ queue }) => !knownQueues.has(queue))
    return [String(maxReady), String(maxTimed), whenFull, fresh ? '1' : '0', isAnyTwice(jobs) ? '1' : '0']
  }

  async function enqueue(jobs: readonly Job[]): Promise<readonly EnqueueOutcome[]> {
    const letters = await rest.run(ENQUEUE, [nowArgument(), ...limits(jobs), ...enqueueArguments(jobs)])
    const outcomes = toEnqueueOutcomes(letters, jobs.length)
    for (const [at, { queue }] of jobs.entries()) if (outcomes[at] !== 'full') knownQueues.add(queue)
    return outcomes
  }

  function sweepDue(settling: number): boolean {
    settledSinceSweep += settling
    const due =
      settledSinceSweep >= SWEEP_EVERY || (settledSinceSweep > 0 && clock.monotonic() - sweptAtMs >= SWEEP_EVERY_MS)
    if (!due) return false
    settledSinceSweep = 0
    sweptAtMs = clock.monotonic()
    return true
  }

  /** Unless it was named meanwhile: that took it out, and one that says it stands there is not put in again. */
  function standsInLists(lane: string): void {
    if (!woken.has(lane)) registered.add(lane)
  }

  async function exchange(request: Parameters<Broker['exchange']>[0]): Promise<ExchangeReply> {
    const { lane } = request
    const flags = {
      registered: registered.delete(lane),
      woken: woken.delete(lane),
      sweep: sweepDue(request.settle.length),
      jitter: random(),
    }
    const args = [nowArgument(), ...exchangeArguments(request, flags)]
    const counted = countWorkers(request.presence)
    const raw = await rest.rows(EXCHANGE, args).catch((error: unknown) => {
      // What may not have been told has to be told again.
      if (flags.registered) standsInLists(lane)
      if (flags.woken) woken.add(lane)
      throw error
    })
    const reply = toExchangeReply(raw)
    if (!(('staleAt' in reply ? reply.staleAt : reply.nowMs) > 0)) throw notOurs()
    if ('staleAt' in reply) throw new StaleExchange(lane, reply.staleAt, request.seq)
    learnTime(reply.nowMs)
    const waits = reply.jobs.length < request.want - (request.ahead ?? 0) && request.waitMs > 0
    if (waits && !(reply.nextAtMs !== null && reply.nextAtMs <= reply.nowMs)) {
      standsInLists(lane)
      waitedIn.set(lane, request.queues)
    }
    return (await counted) ? { ...reply, workers } : reply
  }

  /** For a worker that has to do without hints, now and then as it says that it is there: one command. */
  async function countWorkers(presence: WorkerPresence | undefined): Promise<boolean> {
    if (!presence || wake?.live || clock.monotonic() - countedAtMs < COUNT_MS) return false
    countedAtMs = clock.monotonic()
    const counted = Number(await rest.command(['HLEN', keys.named('workers')]).catch(() => 0))
    if (counted > 0) workers = counted
    return counted > 0
  }

  /** A lane that listens no more leaves the lists: no hint is to go to nobody. */
  function leave(lane: string): void {
    const queues = waitedIn.get(lane) ?? []
    waitedIn.delete(lane)
    registered.delete(lane)
    const left = Promise.allSettled(queues.map((queue) => rest.command(['LREM', keys.queue(queue, 'w'), 0, lane])))
    leaving.add(left)
    void left.then(() => leaving.delete(left))
  }

  async function listen(waiter: string, onHint: OnHint): Promise<() => void> {
    const end = await wake?.listen(waiter, onHint)
    return () => {
      end?.()
      leave(waiter)
    }
  }

  async function peek({ queues, presence }: PeekRequest): Promise<Peek> {
    const nowMs = estimatedNowMs()
    const [{ ready, nextAtMs }] = await Promise.all([lookAtQueues({ rest, keys }, queues), countWorkers(presence)])
    // After the look, which may be the first to see whose keys these are.
    if (presence)
      await rest.command(['HSET', keys.named('workers'), presence.worker, `${nowMs}|${toPresenceText(presence)}`])
    // Who was named and has not heard of it stands in no list any more: its next exchange registers it again.
    if (ready && !hintsMissed) registered.clear()
    hintsMissed = ready
    return { nowMs, nextAtMs: ready ? nowMs : nextAtMs }
  }

  /** One command for jobs that have finished; a second one tells the queued from the active. */
  async function get(
    ids: readonly string[],
    read: (some: readonly string[]) => Promise<Texts> = readRecords,
  ): Promise<readonly (JobRecord | null)[]> {
    if (ids.length === 0) return []
    return toRecords(ids, await readTexts(ids, read))
  }

  const readRecords = async (ids: readonly string[]) => (await rest.list(['MGET', ...ids.map(keys.job)])) as Texts

  async function toRecords(ids: readonly string[], found: Texts): Promise<readonly (JobRecord | null)[]> {
    const records = ids.map((id, at) => (found[at] ? toRecord(id, found[at]) : null))
    const open = records.filter((record) => record !== null).filter(({ state }) => !isFinished(state))
    const leases = await leasesOf(open)
    const nowMs = estimatedNowMs()
    return records.map((record) => {
      // A record ends at its time, also where nobody has swept it yet.
      if (record && isFinished(record.state) && (record.atMs ?? 0) <= nowMs) return null
      const lease = record && leases.get(record.id)
      // A parked job's lease has the record's own epoch; a holder's has the next one.
      return lease && Math.floor(lease / 4) % 256 === (record.epoch + 1) % 256 ? toActive(record, lease) : record
    })
  }

  async function leasesOf(records: readonly JobRecord[]): Promise<Map<string, number>> {
    const leases = new Map<string, number>()
    for (const queue of new Set(records.map((record) => record.queue))) {
      const ids = records.filter((record) => record.queue === queue).map(({ id }) => id)
      const scores = (await rest.list(['ZMSCORE', keys.queue(queue, 'l'), ...ids])) as (string | null)[]
      for (const [at, id] of ids.entries()) if (scores[at]) leases.set(id, Number(scores[at]))
    }
    return leases
  }

  return {
    name: 'redis',
    ...(wake ? { wake: { listen } } : {}),
    ...(maxEvents > 0 ? { transitions: createTransitionReader(rest, keys) } : {}),

    async enqueue(jobs, { within } = {}) {
      if (within !== undefined)
        throw new InvalidOption('within', 'left out', 'a transaction: only the SQLite broker can take part in one')
      return enqueue(jobs)
    },
    exchange,
    peek,

    async fire(ticks) {
      if (ticks.length === 0) return []
      const args = limits(ticks.flatMap(({ job }) => job ?? []))
      const outcomes = await rest.rows(
        FIRE,
        [nowArgument(), ...args, ...fireArguments(ticks, estimatedNowMs())],
        ticks.length,
      )
      for (const [at, { job }] of ticks.entries()) if (job && outcomes[at] !== 'full') knownQueues.add(job.queue)
      return outcomes as FireOutcome[]
    },

    async get(ids, { waiter } = {}) {
      if (waiter === undefined) return get(ids)
      return get(ids, async (some) => (await rest.rows(GET_AND_WAIT, [waiter, ...some], some.length)) as Texts)
    },

    list: (filter) => listJobs({ rest, keys, readRecords, toRecords }, filter),

    async stats({ queues } = {}) {
      if (queues?.length === 0) return { nowMs: estimatedNowMs(), queues: [], workers: [] }
      const workers = queues ? [] : rest.list(['HGETALL', keys.named('workers')])
      const [counted, present] = await Promise.all([rest.rows(STATS, [nowArgument(), ...new Set(queues)], 2), workers])
      return toStats(counted, present as string[])
    },

    async workers() {
      return toWorkers((await rest.list(['HGETALL', keys.named('workers')])) as string[], estimatedNowMs())
    },

    async cancel(ids) {
      return (await rest.rows(CANCEL, [nowArgument(), ...ids], ids.length)) as CancelOutcome[]
    },

    async retry(refs) {
      return (await rest.rows(
        RETRY,
        [nowArgument(), ...refs.flatMap(({ id, epoch }) => [id, String(epoch)])],
        refs.length,
      )) as RetryOutcome[]
    },

    async promote(refs) {
      const args = [nowArgument(), ...refs.flatMap(({ id, epoch }) => [id, String(epoch)])]
      return (await rest.rows(PROMOTE, args, refs.length)) as PromoteOutcome[]
    },

    async remove(ids) {
      return (await rest.rows(REMOVE, [nowArgument(), ...ids], ids.length)) as RemoveOutcome[]
    },

    async setPaused(queue, paused, revision) {
      return rest.word(SET_PAUSED, [queue, paused ? '1' : '0', String(revision)], CHANGE_OUTCOMES)
    },

    async purge(queue, revision, limit = MAX_BATCH_JOBS) {
      const args = [nowArgument(), queue, String(revision), String(Math.min(limit, MAX_BATCH_JOBS))]
      const [outcome, removed, more] = (await rest.rows(PURGE, args, 3)) as [Purged['outcome'], number, number]
      return { outcome, removed, more: more === 1 }
    },

    async schedules({ presence, ...query } = {}) {
      if (!presence) return reads.schedules(query)
      const mark = () => beatMarks.mark(presence, estimatedNowMs())
      // A mark has the server's time: at once where it is known, after the first look that brings it.
      if (serverOffsetMs !== undefined) return (await Promise.all([reads.schedules(query), mark()]))[0]
      const page = await reads.schedules(query)
      await mark()
      return page
    },
    deployed: reads.deployed,
    setDeployed: reads.setDeployed,

    beats: () => beatMarks.seen(reads.nowMs),

    async setSchedules(changes) {
      if (changes.length === 0) return []
      const args = [nowArgument(), ...changes.flatMap(setScheduleArguments)]
      return (await rest.rows(SET_SCHEDULES, args, changes.length)) as ('set' | 'existing' | 'moved')[]
    },

    runs: reads.runs,

    async countCall(limits) {
      if (limits.length === 0) return []
      return toRatesLeft(limits, await rest.rows(COUNT_CALL, [nowArgument(), ...limits.flatMap(rateArguments)]))
    },

    async prune(limit = 1_000) {
      const pruned = Number(await rest.run(PRUNE, [nowArgument(), String(limit)]))
      if (!(pruned >= 0)) throw notOurs()
      return pruned
    },

    check: async () => checkInfo(await rest.info()),
    // A stream is a SUBSCRIBE.
    commandsSpent: () => rest.spent() + streams,

    async close() {
      wake?.close()
      await Promise.all(leaving)
    },
  }
}

function toStats(raw: unknown, workers: readonly string[]): BrokerStats {
  const [now, rows] = raw as [string, [string, string, ...number[]][]]
  const nowMs = Number(now)
  return {
    nowMs,
    queues: rows.map(toQueueStats).sort((a, b) => (a.queue < b.queue ? -1 : 1)),
    workers: toWorkers(workers, nowMs),
  }
}

function toQueueStats([queue, settings, ready = 0, prioritized = 0, active = 0, timed = 0, failed = 0]: [
  string,
  string,
  ...number[],
]) {
  const [paused, revision] = settings.split('|')
  const counts = { queued: ready + prioritized, active, scheduled: timed, failed }
  const present = Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
  return { queue, paused: paused === '1', revision: Number(revision ?? 0), counts: present }
}

function toWorkers(flat: readonly string[], nowMs: number): SeenWorker[] {
  const workers: SeenWorker[] = []
  for (let at = 1; at < flat.length; at += 2) {
    const text = flat[at] as string
    const end = text.indexOf('|')
    const seenAtMs = Number(text.slice(0, end))
    if (seenAtMs + WORKER_SEEN_MS > nowMs)
      workers.push({ ...(JSON.parse(text.slice(end + 1)) as WorkerPresence), seenAtMs })
  }
  return workers
}
