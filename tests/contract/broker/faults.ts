import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Broker, ClaimedJob, ExchangeReply, ExchangeRequest, Settlement } from '../../../src/broker.ts'
import { isTqError } from '../../../src/errors.ts'
import type { Job } from '../../../src/job.ts'
import type { VirtualClock } from '../../support/clock.ts'
import { type FlakyBroker, flaky } from '../../support/flaky-broker.ts'
import { seededRandom } from '../../support/random.ts'
import type { Case } from '../subject.ts'
import { idsOf, job, LEASE_MS, lane, release, retryIn, succeed } from '../verbs.ts'
import { check, checkTold } from './fault-checks.ts'
import { pageOf } from './transitions.ts'

const DONE = 'https://hooks.example/done'
const BROKEN = 'https://hooks.example/broken'

/** Sends the same call until it is answered, as clients and workers do. */
async function untilAnswered<T>(send: () => Promise<T>): Promise<T> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      return await send()
    } catch (error) {
      if (!isTqError(error, 'BrokerUnavailable')) throw error
    }
  }
  throw new Error('expected an answer within 200 tries')
}

/** One lane of a small worker: it holds jobs, and settles what it holds in random ways. */
interface ModelLane {
  id: string
  seq: number
  readonly held: Map<string, ClaimedJob>
}

interface Model {
  readonly broker: FlakyBroker
  readonly clock: VirtualClock
  readonly random: () => number
  readonly prefix: string
  readonly lanes: ModelLane[]
  readonly enqueued: string[]
  /** For every job the results that its broker has accepted, by the settler's knowledge. */
  readonly accepted: Map<string, string[]>
}

const LANES = 3

function startModel(broker: Broker, clock: VirtualClock, seed: number, prefix: string): Model {
  const random = seededRandom(seed)
  return {
    broker: flaky(broker, { random }),
    clock,
    random,
    prefix,
    lanes: Array.from({ length: LANES }, (_, at) => ({ id: `${prefix}w${at}`, seq: 0, held: new Map() })),
    enqueued: [],
    accepted: new Map(),
  }
}

type Operation =
  | { readonly kind: 'enqueue'; readonly count: number; readonly delayMs: number; readonly isTaken: boolean }
  | { readonly kind: 'exchange'; readonly lane: number; readonly want: number; readonly settles: number }
  | { readonly kind: 'crash'; readonly lane: number }
  | { readonly kind: 'advance'; readonly ms: number }

const laneNumber = fc.nat({ max: LANES - 1 })
const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('enqueue' as const),
        count: fc.integer({ min: 1, max: 4 }),
        delayMs: fc.constantFrom(0, 0, 5_000),
        isTaken: fc.constantFrom(false, false, false, true),
      }),
    },
    {
      weight: 10,
      arbitrary: fc.record({
        kind: fc.constant('exchange' as const),
        lane: laneNumber,
        want: fc.nat({ max: 4 }),
        settles: fc.nat({ max: 4 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), lane: laneNumber }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.constantFrom(1_000, 10_000, LEASE_MS) }),
    },
  ),
  { minLength: 40, maxLength: 100, size: 'max' },
)

async function apply(model: Model, operation: Operation): Promise<void> {
  const { broker, clock, enqueued } = model
  if (operation.kind === 'advance') return clock.advance(operation.ms)
  if (operation.kind === 'crash') {
    const one = model.lanes[operation.lane] as ModelLane
    one.held.clear()
    one.seq = 0
    one.id = `${one.id}x`
    return
  }
  if (operation.kind === 'exchange') {
    const one = model.lanes[operation.lane] as ModelLane
    const settle = [...one.held.values()].slice(0, operation.settles).map((held) => randomEnd(model, held))
    return exchange(model, one, operation.want, settle)
  }
  const fresh = Array.from({ length: operation.count }, (_, at) =>
    jobOf(model, enqueued.length + at, operation.delayMs),
  )
  if (operation.isTaken) return refused(model, fresh)
  const outcomes = await untilAnswered(() => broker.enqueue(fresh))
  // A lost reply makes the resend read as existing; another id of ours never does.
  assert.equal(new Set(outcomes).size, 1)
  for (const outcome of outcomes) assert.ok(outcome === 'created' || outcome === 'existing', outcome)
  enqueued.push(...idsOf(fresh))
}

/** With all that a job may have; those of one call are of one request. */
function jobOf({ prefix, enqueued }: Model, at: number, delayMs: number): Job {
  const tags = [`"${at}"|`, 'all']
  const fingerprint = `from-${enqueued.length}`
  return job(`${prefix}${at}`, { queue: prefix, delayMs, tags, fingerprint, onSuccess: DONE, onFailure: BROKEN })
}

/** One of them has the id of an earlier request's: nothing is stored of them, however often. */
async function refused({ broker, enqueued }: Model, fresh: readonly Job[]): Promise<void> {
  const [taken] = enqueued
  if (taken === undefined) return
  const request = fresh.map((one) => ({ ...one, fingerprint: 'another' }))
  const outcomes = await untilAnswered(() => broker.enqueue([...request, { ...request[0], id: taken } as Job]))
  assert.deepEqual([...new Set(outcomes)], ['conflict'])
}

function randomEnd({ random }: Model, held: ClaimedJob): Settlement {
  const dice = random()
  if (dice < 0.1) return retryIn(held, 1_000)
  return dice < 0.2 ? release(held) : succeed(held, JSON.stringify(`${held.id}@${held.epoch}`))
}

async function exchange(model: Model, one: ModelLane, want: number, settle: readonly Settlement[]): Promise<void> {
  one.seq++
  const request: ExchangeRequest = {
    lane: one.id,
    seq: one.seq,
    queues: [model.prefix],
    want,
    takeLost: true,
    leaseMs: LEASE_MS,
    settle,
    extend: [...one.held.values()].filter(({ id }) => !settle.some((ended) => ended.id === id)),
    waitMs: 0,
  }
  receive(model, one, settle, await untilAnswered(() => model.broker.exchange(request)))
}

function receive({ accepted }: Model, one: ModelLane, settle: readonly Settlement[], reply: ExchangeReply): void {
  for (const ended of settle) {
    one.held.delete(ended.id)
    if (ended.kind === 'succeeded' && !reply.late.includes(ended.id))
      accepted.set(ended.id, [...(accepted.get(ended.id) ?? []), ended.result])
  }
  for (const id of reply.late) one.held.delete(id)
  for (const claimed of reply.jobs) one.held.set(claimed.id, claimed)
}

/** Lets the late copies in, then works until nothing is left, without further faults but for what time brings. */
async function drain(model: Model, broker: Broker): Promise<void> {
  await model.broker.deliverLate()
  const worker = lane(broker, `${model.prefix}drain`)
  for (let round = 0; round < 500; round++) {
    const { jobs, nextAtMs, nowMs } = await worker.exchange({ queues: [model.prefix], want: 5 })
    if (jobs.length > 0)
      await worker.settle(...jobs.map((held) => succeed(held, JSON.stringify(`${held.id}@${held.epoch}`))))
    else if (nextAtMs === null) return model.broker.deliverLate()
    else await model.clock.advance(Math.max(0, nextAtMs - nowMs))
  }
  throw new Error('expected the queue to run empty')
}

export const faultCases: readonly Case[] = [
  {
    name: 'whatever is lost or repeated, at once and late: every job ends once and is told once, none is lost, none left over',
    bounds: { events: true },
    async run({ broker, clock }) {
      let faults = 0
      let runs = 0
      const holds = fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000_000 }), operations, async (seed, steps) => {
        const model = startModel(broker, clock, seed, `run-${runs++}.`)
        const { cursor } = await pageOf(broker)
        for (const step of steps) await apply(model, step)
        await drain(model, broker)
        await checkTold(broker, cursor, await check(model, broker))
        faults += model.broker.faults.lostReplies + model.broker.faults.late
      })
      await fc.assert(holds, { seed: 2_026, numRuns: 30 })
      assert.ok(faults > 200, `expected faults to happen, got ${faults}`)
    },
  },
  {
    name: 'operations survive late copies: a purge, a pause, a promotion, a removal, a schedule, a tick',
    async run({ broker }) {
      for (let seed = 1; seed <= 20; seed++) {
        const queue = `queue-${seed}`
        const flawed = flaky(broker, { random: seededRandom(seed), lose: 0.3, repeat: 0.3, late: 0.6 })
        await untilAnswered(() => flawed.enqueue([job(`purged-${seed}`, { queue })]))
        await untilAnswered(() => flawed.purge(queue, 0))
        const kept = job(`kept-${seed}`, { queue, delayMs: 60_000 })
        await untilAnswered(() => flawed.enqueue([job(`gone-${seed}`, { queue }), kept]))
        await untilAnswered(() => flawed.promote([{ id: kept.id, epoch: 0 }]))
        await untilAnswered(() => flawed.setPaused(queue, true, 1))
        await untilAnswered(() => flawed.setPaused(queue, false, 2))
        await untilAnswered(() => flawed.remove([`gone-${seed}`]))
        const change = { name: queue, app: 'app', dueAtMs: 5, incarnation: 'i', definition: '{"a":1}' }
        await untilAnswered(() => flawed.setSchedules([{ kind: 'set', ...change, stampMs: 1 }]))
        const tick = { schedule: queue, revision: 1, dueAtMs: 5, nextDueAtMs: 9, job: job(`tick-${seed}`, { queue }) }
        await untilAnswered(() => flawed.fire([tick]))
        await untilAnswered(() => flawed.setSchedules([{ kind: 'remove', name: queue, app: 'app', stampMs: 2 }]))
        await flawed.deliverLate()
        const claimed = await lane(broker, `${queue}.0`).claim(10, { queues: [queue] })
        assert.deepEqual(idsOf(claimed).sort(), [`kept-${seed}`, `tick-${seed}`])
        assert.equal((await broker.stats()).queues.find((one) => one.queue === queue)?.revision, 3)
        assert.deepEqual((await broker.schedules()).schedules, [])
      }
    },
  },
]
