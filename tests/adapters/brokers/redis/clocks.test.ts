/** Whatever the clocks of workers and producers say: the server's counts. Clocks here are wrong on purpose, and real otherwise. */
import { expect } from 'bun:test'
import { type RedisBrokerOptions, redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import type { Broker, ExchangeRequest, Settlement } from '../../../../src/broker.ts'
import { type Clock, sleep, systemClock } from '../../../../src/clock.ts'
import { createClient, createWorker, defineApp, defineTask } from '../../../../src/index.ts'
import { eventually, openJobs, startStore, TOKEN, withRedis } from './support.ts'

const TEN_MINUTES_MS = 600_000

interface WrongClock extends Clock {
  offMs: number
}

function wrongBy(offMs: number): WrongClock {
  const clock: WrongClock = { ...systemClock, offMs, now: () => systemClock.now() + clock.offMs }
  return clock
}

async function setUp() {
  const { url } = await startStore()
  return (clock: Clock, options: Partial<RedisBrokerOptions> = {}) =>
    redisBroker({ url, token: TOKEN, clock, subscribe: false, ...options })
}

const seqs = new Map<string, number>()
/** An exchange of a lane that wants ten. */
function exchange(broker: Broker, lane: string, request: Partial<ExchangeRequest> = {}) {
  const seq = (seqs.get(lane) ?? 0) + 1
  seqs.set(lane, seq)
  const usual = { queues: ['default'], want: 10, takeLost: true, leaseMs: 60_000, settle: [], extend: [], waitMs: 0 }
  return broker.exchange({ lane, seq, ...usual, ...request })
}

const succeeded = ({ id, epoch }: { id: string; epoch: number }): Settlement => ({
  ...{ id, epoch, kind: 'succeeded', result: 'null', keepMs: 60_000 },
})

/** Jobs claimed under one clock; what a worker with another one gets of them, and whether their holder can settle them. */
async function tryToTake(holder: Broker, other: Broker, lane: string) {
  const client = createClient({ broker: holder })
  const ids = Array.from({ length: 5 }, (_, at) => `${lane}-${at}`)
  await client.enqueueMany(ids.map((id) => ({ task: 'work', options: { id } })))
  await client.enqueue('work', null, { id: `${lane}-delayed`, delayMs: TEN_MINUTES_MS / 2 })
  const held = (await exchange(holder, `holder.${lane}`)).jobs
  const taken = (await exchange(other, `other.${lane}`)).jobs
  const extend = held.map(({ id, epoch }) => ({ id, epoch }))
  const extended = await exchange(holder, `holder.${lane}`, { want: 0, extend })
  const takenAfter = (await exchange(other, `other.${lane}`)).jobs
  const { late } = await exchange(holder, `holder.${lane}`, { want: 0, settle: held.map(succeeded) })
  return {
    held: held.map(({ id }) => id),
    taken: [...taken, ...takenAfter].map(({ id }) => id),
    late: [...extended.late, ...late],
  }
}

for (const [what, holderMs, otherMs] of [
  ['ahead', 0, TEN_MINUTES_MS],
  ['behind', 0, -TEN_MINUTES_MS],
  ['right where the holder’s is behind', -TEN_MINUTES_MS, 0],
  ['right where the holder’s is ahead', TEN_MINUTES_MS, 0],
] as const)
  withRedis(`a worker whose clock is ${what} takes no live lease, and nothing before it is due`, async () => {
    const open = await setUp()
    const found = await tryToTake(open(wrongBy(holderMs)), open(wrongBy(otherMs)), what.length.toString())
    expect(found).toEqual({ held: found.held, taken: [], late: [] })
    expect(found.held.length).toBe(5)
  })

withRedis('with times of their own the same workers would take them: the test is known to see it', async () => {
  const open = await setUp()
  const found = await tryToTake(
    open(wrongBy(0), { ownTime: true }),
    open(wrongBy(TEN_MINUTES_MS), { ownTime: true }),
    'own',
  )
  expect(found.taken).toContain('own-delayed')
  expect(found.late.length).toBeGreaterThan(0)
})

withRedis('workers with clocks ahead, behind and jumping: each job runs once, and none before it is due', async () => {
  const open = await setUp()
  const jumping = wrongBy(0)
  const clocks = [wrongBy(TEN_MINUTES_MS), wrongBy(-TEN_MINUTES_MS), jumping]
  const jumps = [TEN_MINUTES_MS, -TEN_MINUTES_MS, 0, -TEN_MINUTES_MS, TEN_MINUTES_MS]
  const begunAtMs = new Map<string, number[]>()
  const lost: number[] = []
  const task = defineTask({
    name: 'work',
    async run(_, job) {
      begunAtMs.set(job.id, [...(begunAtMs.get(job.id) ?? []), Date.now()])
      if (job.lost > 0) lost.push(job.lost)
      if (begunAtMs.size % 20 === 0) jumping.offMs = jumps.shift() ?? 0
      await sleep(systemClock, 5)
    },
  })
  const app = defineApp({ tasks: [task] })
  const running = clocks.map((clock) => {
    const worker = createWorker({ app, broker: open(clock), clock, concurrency: 3, leaseMs: 5_000 })
    return { worker, done: worker.run() }
  })
  const dueAtMs = new Map<string, number>()
  for (const [at, clock] of clocks.entries()) {
    const client = createClient({ broker: open(clock), clock })
    const ids = Array.from({ length: 60 }, (_, index) => `${at}-${index}`)
    const delayOf = (id: string) => (id.endsWith('7') ? 300 : 0)
    for (const id of ids) dueAtMs.set(id, Date.now() + delayOf(id))
    await client.enqueueMany(ids.map((id) => ({ task: 'work', options: { id, delayMs: delayOf(id) } })))
  }
  const direct = open(systemClock)
  await eventually(async () => begunAtMs.size === dueAtMs.size && (await openJobs(direct)) === 0)
  for (const { worker } of running) worker.stop({ graceMs: 1_000 })
  await Promise.all(running.map(({ done }) => done))
  const runs = [...begunAtMs.values()].map(({ length }) => length)
  expect([new Set(runs), lost, jumps]).toEqual([new Set([1]), [], []])
  const early = [...begunAtMs].filter(([id, [begun = 0]]) => begun < (dueAtMs.get(id) ?? 0))
  expect(early).toEqual([])
})
