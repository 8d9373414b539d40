import { checkBounds, type QueueBounds } from '../../../src/bounds.ts'
import { type Broker, MAX_BATCH_JOBS } from '../../../src/broker.ts'
import { type Clock, systemClock } from '../../../src/clock.ts'
import { checkMaxEvents, type TransitionOptions } from '../../../src/transitions.ts'
import { isFinished } from '../../../src/words.ts'
import { beatsStep, markBeat } from './beats.ts'
import { type Driver, transaction } from './driver.ts'
import { type Enqueued, enqueueStep } from './enqueue.ts'
import { exchangeStep } from './exchange.ts'
import { afterFinished } from './finished.ts'
import { createLeaseGuard } from './lease-guard.ts'
import { type OpenOptions, openDatabase } from './open.ts'
import {
  cancelStep,
  getStep,
  listStep,
  nameForReady,
  promoteStep,
  pruneStep,
  pruneWaiting,
  purgeStep,
  removeStep,
  retryStep,
  setPausedStep,
  statsStep,
  workersStep,
} from './operations.ts'
import { countCallStep } from './rates.ts'
import { deployedStep, schedulesStep, setDeployedStep } from './read-schedules.ts'
import { runsStep } from './runs.ts'
import { fireStep, setSchedulesStep } from './schedules.ts'
import { keepEvents, stampEvents, transitionsStep } from './transitions.ts'
import { createTurns } from './turns.ts'
import { jobTopic, nameWaiting, queueTopic, registerWaiting } from './waiting.ts'
import { createWake } from './wake.ts'
import { afterCommit, joinTransaction } from './within.ts'

/** Without bounds a queue holds what the disk does. */
export interface SqliteBrokerOptions extends Partial<OpenOptions>, QueueBounds, TransitionOptions {
  readonly clock?: Clock
  readonly random?: () => number
}

/**
 * The embedded broker: one SQLite file that any number of producers, workers and beats on one machine share.
 *
 * `path` defaults to `.tq/tq.db`; `:memory:` keeps everything in this process. Throws `Unsupported` on a runtime without
 * SQLite, `UnusableStore` for a file that is corrupt, another program's, of a newer format or on a network file system.
 *
 * @example
 * ```ts
 * import { createClient } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 *
 * const broker = sqliteBroker({ path: ':memory:' })
 * const job = await createClient({ broker }).enqueue('greet', { name: 'Ada' })
 * console.log((await job.get())?.state) // queued
 * await broker.close()
 * ```
 */
export function sqliteBroker(options: SqliteBrokerOptions = {}): Broker {
  const {
    path = '.tq/tq.db',
    besideOtherTables = false,
    durability = 'normal',
    clock = systemClock,
    random = Math.random,
  } = options
  checkBounds(options)
  const maxEvents = checkMaxEvents(options)
  const driver = openDatabase({ ...options, path, besideOtherTables, durability })
  const { maxReady, maxTimed } = options
  const bounds = maxReady === undefined && maxTimed === undefined ? undefined : options
  return createSqliteBroker(driver, clock, random, bounds, maxEvents)
}

interface Stepped {
  /** The waiters to hint. */
  readonly named: readonly string[]
  readonly registered?: string | undefined
  /** Whether a change was counted that others may listen for. */
  readonly changed?: boolean
}

/** The broker on an open database: what tests put a driver of their own under. */
export function createSqliteBroker(
  driver: Driver,
  clock: Clock,
  random: () => number,
  bounds?: QueueBounds,
  maxEvents?: number,
): Broker {
  const keepsEvents = keepEvents(driver, maxEvents)
  const wake = createWake(driver)
  const holdLeasesMs = createLeaseGuard(clock)
  const turn = createTurns()

  /** One atomic step, then the hints for those it named. Whoever it registered is known before anybody else has a turn. */
  async function step<T extends Stepped>(run: (nowMs: number) => T): Promise<T> {
    const outcome = transaction(driver, () => {
      const nowMs = Math.round(clock.now())
      const stepped = run(nowMs)
      if (keepsEvents) stampEvents(driver, nowMs)
      return stepped
    })
    if (outcome.registered !== undefined) wake.registered(outcome.registered)
    wake.named(outcome.named)
    if (outcome.changed) wake.changed()
    await turn()
    return outcome
  }

  const quiet = <T>(value: T) => ({ value, named: [] })

  return {
    name: 'sqlite',
    local: true,
    wake,

    async enqueue(jobs, { within } = {}) {
      if (within !== undefined) return enqueueWithin(jobs, within)
      return (await step((nowMs) => enqueueStep(driver, jobs, nowMs, bounds))).outcomes
    },

    async exchange(request) {
      const { reply } = await step((nowMs) =>
        exchangeStep(driver, request, { nowMs, random, holdMs: holdLeasesMs(request.leaseMs) }),
      )
      return reply
    },

    async fire(ticks) {
      return (await step((nowMs) => fireStep(driver, ticks, nowMs, bounds))).outcomes
    },

    async get(ids, { waiter, waitMs = 0 } = {}) {
      if (waiter === undefined) return getStep(driver, ids, Math.round(clock.now()))
      const { value } = await step((nowMs) => {
        const records = getStep(driver, ids, nowMs)
        const open = records
          .filter((record) => record !== null && !isFinished(record.state))
          .map((record) => jobTopic(record?.id ?? ''))
        if (open.length > 0) registerWaiting(driver, waiter, open, nowMs + waitMs)
        return { value: records, registered: open.length > 0 ? waiter : undefined, named: [] }
      })
      return value
    },

    async list(filter) {
      return listStep(driver, filter)
    },

    async stats({ queues } = {}) {
      return statsStep(driver, Math.round(clock.now()), queues)
    },

    async workers() {
      return workersStep(driver, Math.round(clock.now()))
    },

    async cancel(ids) {
      const { value } = await step((nowMs) => {
        const outcomes = cancelStep(driver, ids, nowMs)
        return { value: outcomes, named: afterFinished(driver, ids, nowMs), changed: outcomes.includes('asked') }
      })
      return value
    },

    async retry(refs) {
      const { value } = await step((nowMs) => ({
        value: retryStep(driver, refs),
        named: nameForReady(driver, refs, nowMs),
      }))
      return value
    },

    async promote(refs) {
      const { value } = await step((nowMs) => ({
        value: promoteStep(driver, refs, nowMs),
        named: nameForReady(driver, refs, nowMs),
      }))
      return value
    },

    async remove(ids) {
      return (
        await step((nowMs) => ({ value: removeStep(driver, ids, nowMs), named: afterFinished(driver, ids, nowMs) }))
      ).value
    },

    async setPaused(queue, paused, revision) {
      const { value } = await step((nowMs) => ({
        value: setPausedStep(driver, queue, paused, revision),
        named: paused ? [] : nameWaiting(driver, queueTopic(queue), nowMs),
      }))
      return value
    },

    async purge(queue, revision, limit = MAX_BATCH_JOBS) {
      const { value } = await step((nowMs) => {
        const { ids, ...purged } = purgeStep(driver, queue, revision, Math.min(limit, MAX_BATCH_JOBS), nowMs)
        return { value: purged, named: afterFinished(driver, ids, nowMs) }
      })
      return value
    },

    async schedules(query = {}) {
      const { presence } = query
      if (presence) await step((nowMs) => quiet(markBeat(driver, presence, nowMs)))
      return schedulesStep(driver, query, Math.round(clock.now()))
    },

    async setSchedules(changes) {
      return (await step((nowMs) => setSchedulesStep(driver, changes, nowMs))).outcomes
    },

    async deployed(app) {
      return deployedStep(driver, app)
    },

    async setDeployed(app, mark, seen) {
      return (await step(() => quiet(setDeployedStep(driver, app, mark, seen)))).value
    },

    async beats() {
      return beatsStep(driver, Math.round(clock.now()))
    },

    async runs(schedule) {
      return runsStep(driver, schedule)
    },

    async countCall(limits) {
      return (await step((nowMs) => quiet(countCallStep(driver, limits, nowMs)))).value
    },

    async prune(limit = 1_000) {
      const { value } = await step((nowMs) => {
        pruneWaiting(driver, nowMs)
        return quiet(pruneStep(driver, nowMs, limit))
      })
      return value
    },

    ...(keepsEvents && {
      transitions: async (query = {}) => {
        const { value } = await step((nowMs) => {
          stampEvents(driver, nowMs)
          return quiet(transitionsStep(driver, query))
        })
        return value
      },
    }),

    async close() {
      wake.close()
      driver.close()
    },
  }

  /** Has written by the time it returns: everything up to here runs in the caller's turn. */
  function enqueueWithin(jobs: Parameters<Broker['enqueue']>[0], within: unknown): Enqueued['outcomes'] {
    const joined = joinTransaction(driver, within)
    const nowMs = Math.round(clock.now())
    const { outcomes, named } = enqueueStep(joined.driver, jobs, nowMs, bounds)
    if (keepsEvents) stampEvents(joined.driver, nowMs)
    if (named.length > 0) afterCommit(joined, () => wake.named(named))
    return outcomes
  }
}
