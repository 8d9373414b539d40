/** The cheap look of an idle worker: what it sees, and what it does for whoever missed a hint. */
import { afterAll, expect, test } from 'bun:test'
import { createClient } from '@redis/client'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import type { Broker } from '../../../../src/broker.ts'
import { job, LEASE_MS, lane, succeed } from '../../../contract/verbs.ts'
import { createVirtualClock, type VirtualClock } from '../../../support/clock.ts'
import { seededRandom } from '../../../support/random.ts'
import { startRedisOverHttp } from '../../../support/redis-http.ts'

const redis = await startRedisOverHttp()
const client = await createClient({ url: redis.redisUrl }).connect()
afterAll(async () => {
  client.destroy()
  await redis.stop()
})

let stores = 0

function open({ url = redis.url } = {}): {
  broker: Broker
  polling: Broker
  clock: VirtualClock
  look: () => Promise<number | null>
  waiting: () => Promise<unknown>
} {
  const clock = createVirtualClock()
  const prefix = `peek-${stores++}`
  const { token } = redis
  const broker = redisBroker({ url, token, prefix, clock, random: seededRandom(1), ownTime: true })
  return {
    broker,
    clock,
    /** The same jobs, without hints. */
    polling: redisBroker({ url: redis.url, token, prefix, clock, subscribe: false, ownTime: true }),
    /** In milliseconds from now. */
    async look() {
      const peek = await broker.peek?.({ queues: ['default', 'mail'] })
      if (!peek) throw new Error('expected a broker that can be looked at')
      return peek.nextAtMs === null ? null : peek.nextAtMs - peek.nowMs
    },
    waiting: () => client.lRange(`{${prefix}}:q:default:w`, 0, -1),
  }
}

test('a look sees nothing, a job that is ready, and nothing again', async () => {
  const { broker, look } = open()
  expect(await look()).toBeNull()
  await broker.enqueue([job('a', { queue: 'mail' })])
  expect(await look()).toBe(0)
  const by = lane(broker)
  const held = await by.claimOne({ queues: ['mail'] })
  expect(await look()).toBe(LEASE_MS)
  await by.exchange({ queues: ['mail'], settle: [succeed(held)] })
  expect(await look()).toBeNull()
})

test('a look sees a job with a priority beside a lease and a job of later', async () => {
  const { broker, clock, look } = open()
  await broker.enqueue([job('later', { delayMs: 70_000 }), job('held')])
  expect(await look()).toBe(0)
  await lane(broker).claimOne()
  await clock.advance(10_000)
  expect(await look()).toBe(LEASE_MS - 10_000)
  await broker.enqueue([job('first', { priority: 9 })])
  expect(await look()).toBe(0)
})

test('a look sees when a job falls due, and that it has', async () => {
  const { broker, clock, look } = open()
  await broker.enqueue([job('later', { delayMs: 70_000 })])
  expect(await look()).toBe(70_000)
  await clock.advance(70_000)
  expect(await look()).toBe(0)
})

test('a look tells of the worker’s presence', async () => {
  const { broker, clock } = open()
  const presence = { worker: 'w', queues: ['default'], concurrency: 1, running: 0, runtime: 'bun', startedAtMs: 0 }
  await broker.peek?.({ queues: ['default'], presence })
  expect((await broker.stats()).workers).toEqual([{ ...presence, seenAtMs: clock.now() }])
})

test('what a worker tells of very many tasks and queues is cut, so that all workers together fit in one reply', async () => {
  const { broker } = open()
  const names = Array.from({ length: 1_000 }, (_, at) => `${'n'.repeat(190)}${at}`)
  const p95Ms = Object.fromEntries(names.map((name) => [name, 1]))
  const presence = { worker: 'w', queues: names, concurrency: 1, running: 0, runtime: 'bun', startedAtMs: 0, p95Ms }
  await lane(broker, 'w.0').exchange({ presence })
  const [seen] = await broker.workers()
  expect(JSON.stringify(seen).length).toBeLessThan(4_100)
  expect([seen?.worker, seen?.queues[0]]).toEqual(['w', names[0]])
})

test('workers are counted for those that have to do without hints', async () => {
  const { broker, polling, clock } = open()
  const presence = { queues: ['default'], concurrency: 1, running: 0, runtime: 'bun', startedAtMs: 0 }
  for (const worker of ['a.1', 'b.1']) await broker.peek?.({ queues: ['default'], presence: { ...presence, worker } })
  await lane(polling, 'c.1.0').exchange({ want: 1, presence: { ...presence, worker: 'c.1' } })
  await clock.advance(25_000)
  const again = await lane(polling, 'c.1.1').exchange({ want: 1, presence: { ...presence, worker: 'c.1' } })
  expect(again.workers).toBe(3)
})

test('a lane that was named and did not hear of it waits in the lists again', async () => {
  const { broker, look, waiting } = open()
  const by = lane(broker)
  await by.wait()
  await broker.enqueue([job('a')])
  expect(await waiting()).toEqual([])
  expect(await look()).toBe(0)
  const [held] = await by.claim(2, { waitMs: 60_000 })
  expect(held?.id).toBe('a')
  expect(await waiting()).toEqual([by.id])
})

/** A way to the gateway on which commands are held while it is shut; hints pass. */
function startGate() {
  let shut: Promise<void> | undefined
  let release = () => {}
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    async fetch(request) {
      const body = request.method === 'POST' ? await request.text() : null
      if (body !== null) await shut
      const headers = { authorization: request.headers.get('authorization') ?? '' }
      return fetch(`${redis.url}${new URL(request.url).pathname}`, { method: request.method, headers, body })
    },
  })
  return {
    url: `http://127.0.0.1:${server.port}`,
    shut: () => {
      shut = new Promise((resolve) => {
        release = resolve
      })
    },
    open: () => release(),
    stop: () => server.stop(true),
  }
}

test('a lane that is named while it asks, and finds the job gone, waits in the lists again', async () => {
  const gate = startGate()
  const { broker, polling, waiting } = open({ url: gate.url })
  const by = lane(broker)
  const named = Promise.withResolvers<void>()
  await broker.wake?.listen(by.id, () => named.resolve())
  await by.wait()
  gate.shut()
  const asking = by.wait()
  await polling.enqueue([job('a')])
  await named.promise
  await lane(polling, 'worker.2.0').claimOne()
  gate.open()
  await asking
  await by.wait()
  expect(await waiting()).toEqual([by.id])
  await broker.close()
  gate.stop()
})

test('a lane that listens no more is named no more', async () => {
  const { broker, waiting } = open()
  const by = lane(broker)
  const end = await broker.wake?.listen(by.id, () => {})
  await by.wait()
  expect(await waiting()).toEqual([by.id])
  end?.()
  await broker.close()
  expect(await waiting()).toEqual([])
})
