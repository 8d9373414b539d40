/** Streams of events that break, each in every way; what is counted is streams and looks. Sockets are real, time is virtual. */
import { expect } from 'bun:test'
import { redisBroker } from '../../adapters/brokers/redis/index.ts'
import { createClient, createWorker, defineApp, defineTask } from '../../src/index.ts'
import {
  endsWithTheTests,
  eventually,
  startGatewayFor,
  startStore,
  TOKEN,
  withRedis,
} from '../adapters/brokers/redis/support.ts'
import { createVirtualClock } from '../support/clock.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'

const HEARTBEAT_MS = 15_000
/** So long that no look of an idle worker is due within a test: only hints and streams bring jobs. */
const LONG_LEASE_MS = 3_600_000

/** An idle worker behind a network whose streams do as the test says. */
async function setUp({ leaseMs = LONG_LEASE_MS, isBroken = false } = {}) {
  const clock = createVirtualClock()
  const store = await startStore()
  const gateway = await startGatewayFor(store.redisUrl(), { clock, heartbeatMs: HEARTBEAT_MS })
  let looks = 0
  const rewrite = (body: string) => {
    if (body.startsWith('["EXISTS"')) looks++
    return body
  }
  const proxy = await startFaultProxy({ target: gateway, random: () => 1, maxLateMs: 0, shares: {}, clock, rewrite })
  if (isBroken) proxy.streams.always('refuse')
  const broker = redisBroker({ url: proxy.url, token: TOKEN, clock, random: () => 1, ownTime: true })
  const direct = redisBroker({ url: store.url, token: TOKEN, clock, ownTime: true, subscribe: false })
  const app = defineApp({ tasks: [defineTask({ name: 'work', keepResultMs: LONG_LEASE_MS, run: () => 'done' })] })
  const worker = createWorker({ app, broker, clock, leaseMs })
  const done = worker.run()
  endsWithTheTests(async () => {
    worker.stop({ graceMs: 0 })
    await done
    await broker.close()
    await proxy.stop()
  })
  const client = createClient({ broker: direct, clock })
  const isDone = async (id: string) => (await direct.get([id]))[0]?.state === 'succeeded'
  const waits = async () => Number(await store.send('EXISTS', '{tq}:q:default:w')) === 1
  /** Returns once the worker's broker has read all that the stream has brought so far. */
  const heard = async () => {
    const mark = Promise.withResolvers<void>()
    const end = await broker.wake?.listen('mark', () => mark.resolve())
    await store.send('PUBLISH', '{tq}:wake', 'mark')
    await mark.promise
    end?.()
  }
  const beat = async (times: number) => {
    for (let at = 0; at < times; at++) {
      const { passed } = proxy.streams
      await clock.advance(HEARTBEAT_MS)
      await eventually(() => proxy.streams.passed > passed)
      await heard()
    }
  }
  return {
    ...{ clock, streams: proxy.streams, beat, isDone, waits },
    looks: () => looks,
    enqueue: (id: string) => client.enqueue('work', null, { id }),
    /** A hint alone brings a job: time stands still. */
    async isHinted(id: string) {
      await eventually(waits)
      const { asked } = proxy.streams
      await client.enqueue('work', null, { id })
      await eventually(() => isDone(id))
      expect(proxy.streams.asked).toBe(asked)
    },
  }
}

withRedis(
  'a stream that is cut in the middle of an event is opened again, and the job it was about is found',
  async () => {
    const { clock, streams, isDone, waits, enqueue, isHinted } = await setUp()
    await eventually(waits)
    streams.always('cut')
    await enqueue('cut')
    // The end of a stream makes everybody look.
    await eventually(() => isDone('cut'))
    streams.always(undefined)
    await clock.advance(250)
    await eventually(() => streams.asked === 2)
    await eventually(() => streams.passed === 2)
    await isHinted('after')
    expect([streams.faults.cut, streams.asked]).toEqual([1, 2])
  },
)

withRedis('a stream that stalls without a word is given up once its heartbeat is missing', async () => {
  const { clock, streams, beat, isDone, waits, enqueue, isHinted } = await setUp()
  await eventually(waits)
  await beat(3)
  streams.always('stall')
  await enqueue('unheard')
  await eventually(() => streams.faults.stall === 1)
  await clock.advance(2 * HEARTBEAT_MS)
  expect([await isDone('unheard'), streams.asked]).toEqual([false, 1])
  streams.always(undefined)
  await clock.advance(HEARTBEAT_MS / 2)
  await eventually(() => isDone('unheard'))
  await clock.advance(250)
  await eventually(() => streams.asked === 2)
  await isHinted('after')
})

withRedis(
  'a hint that comes late brings its job late, and one that is lost brings none before the next look',
  async () => {
    const leaseMs = 30_000
    const { clock, streams, looks, isDone, waits, enqueue } = await setUp({ leaseMs })
    await eventually(waits)
    streams.always('delay')
    await enqueue('late')
    await eventually(() => streams.faults.delay === 1)
    expect(await isDone('late')).toBe(false)
    await clock.advance(3_000)
    await eventually(() => isDone('late'))
    await eventually(waits)
    streams.always('lose')
    await enqueue('unheard')
    await eventually(() => streams.faults.lose >= 1)
    expect(await isDone('unheard')).toBe(false)
    const before = looks()
    await clock.advance(leaseMs)
    await eventually(() => isDone('unheard'))
    expect([looks() - before, streams.asked]).toEqual([1, 1])
  },
)

withRedis('while no stream can be opened workers poll, and stop polling once there is one', async () => {
  const { clock, streams, beat, looks, isDone, enqueue, isHinted } = await setUp({ isBroken: true })
  await eventually(() => streams.faults.refuse === 1)
  await enqueue('polled')
  await eventually(async () => {
    await clock.advance(5_000)
    return isDone('polled')
  })
  streams.always(undefined)
  await eventually(async () => {
    // One that is on its way is waited for: by virtual time alone it would be given up however slow the machine is.
    if (streams.asked === streams.passed + streams.faults.refuse) await clock.advance(5_000)
    return streams.passed > 0
  })
  await isHinted('hinted')
  const [asked, before] = [streams.asked, looks()]
  await beat(4)
  expect([streams.asked, looks()]).toEqual([asked, before])
})

withRedis('streams that break again and again leave no job behind', async () => {
  const { clock, streams, isDone, enqueue } = await setUp({ leaseMs: 30_000 })
  const faults = ['cut', 'stall', 'lose', 'refuse', 'delay'] as const
  for (const [at, fault] of [...faults, ...faults].entries()) {
    const times = streams.faults[fault]
    streams.always(fault)
    await enqueue(`job-${at}`)
    await eventually(async () => {
      await clock.advance(HEARTBEAT_MS)
      return streams.faults[fault] > times && (await isDone(`job-${at}`))
    })
  }
})
