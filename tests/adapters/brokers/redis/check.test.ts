/** A look at the Redis itself: what it is too old for, and what it is set up to forget. */
import { afterEach, expect, test } from 'bun:test'
import { createBeat } from '../../../../scheduler/index.ts'
import type { Broker } from '../../../../src/broker.ts'
import { createWorker, defineApp, defineTask, type TqEvent } from '../../../../src/index.ts'
import { errorOf, open } from './calls.ts'
import { eventually, startGatewayFor, startStore, withRedis } from './support.ts'

const app = defineApp({ tasks: [defineTask({ name: 'work', run: () => {} })] })

const stops: (() => unknown)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

/** A server that answers INFO, and tells what else it was asked. */
function serveInfo(...lines: readonly string[]): { broker: Broker; asked: string[] } {
  const asked: string[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const [name = ''] = (await request.json()) as string[]
      asked.push(name)
      return Response.json(name === 'INFO' ? { result: `# Server\r\n${lines.join('\r\n')}\r\n` } : { error: 'ERR no' })
    },
  })
  stops.push(() => server.stop(true))
  return { broker: open(`http://127.0.0.1:${server.port}`), asked }
}

const isWarning = ({ kind }: TqEvent) => kind === 'broker.warning'

for (const version of ['6.2.14', '5.0.7', '2.8'])
  test(`Redis ${version} is too old`, async () => {
    const { broker } = serveInfo(`redis_version:${version}`, 'redis_mode:standalone')
    expect(await errorOf(broker.check?.() ?? Promise.resolve())).toMatchObject({
      name: 'UnusableStore',
      message: `expected Redis to be version 7.0 or newer, got version ${version}: update the server`,
    })
  })

for (const [what, ...lines] of [
  ['Redis 7.0', 'redis_version:7.0.0'],
  ['Redis 10', 'redis_version:10.0.1'],
  ['Valkey 8', 'redis_version:7.2.4', 'server_name:valkey', 'valkey_version:8.0.1'],
  ['Upstash, which calls itself 6.2', 'upstash_version:1.13.3', 'redis_version:6.2.6', 'maxmemory_policy:noeviction'],
  ['a server that tells no version', 'redis_mode:standalone'],
  ['a version that is no number', 'redis_version:unstable'],
  ['eviction without a bound', 'redis_version:7.2.0', 'maxmemory:0', 'maxmemory_policy:allkeys-lru'],
] as const)
  test(`${what} is taken as it is`, async () => {
    expect(await serveInfo(...lines).broker.check?.()).toEqual([])
  })

test('eviction on Upstash, and where the bound is not told, is warned of', async () => {
  const { broker } = serveInfo('upstash_version:1.13.3', 'redis_version:6.2.6', 'maxmemory_policy:optimistic-volatile')
  expect(await broker.check?.()).toEqual([expect.stringContaining('got optimistic-volatile')])
})

test('a worker and a beat on an old Redis end before their first exchange', async () => {
  const old = serveInfo('redis_version:6.2.14')
  expect((await errorOf(createWorker({ app, broker: old.broker }).run())).name).toBe('UnusableStore')
  expect((await errorOf(createBeat({ app, broker: old.broker }).run())).name).toBe('UnusableStore')
  expect(old.asked).toEqual(['INFO', 'INFO'])
})

/** Runs a worker and a beat until the worker has been there. */
async function warningsOf(url: string, prefix: string): Promise<TqEvent[]> {
  const events: TqEvent[] = []
  const broker = open(url, { prefix })
  const onEvent = (event: TqEvent) => void events.push(event)
  const worker = createWorker({ app, broker, onEvent })
  const beat = createBeat({ app, broker, onEvent })
  const done = Promise.all([worker.run(), beat.run()])
  await eventually(async () => (await broker.stats()).workers.length === 1)
  worker.stop()
  beat.stop()
  await done
  return events.filter(isWarning)
}

withRedis('a worker and a beat on a Redis that evicts say so once, and work', async () => {
  const store = await startStore()
  expect(await warningsOf(store.url, 'unbounded')).toEqual([])
  await store.configure('maxmemory', '100mb')
  expect(await warningsOf(store.url, 'bounded')).toEqual([])
  await store.configure('maxmemory-policy', 'allkeys-lru')
  const reason = expect.stringContaining('expected maxmemory-policy noeviction, got allkeys-lru')
  expect(await warningsOf(store.url, 'evicting')).toEqual([
    { kind: 'broker.warning', reason },
    { kind: 'broker.warning', reason },
  ])
})

withRedis('who may not ask for INFO works without', async () => {
  const store = await startStore()
  await store.configure('maxmemory', '100mb')
  await store.configure('maxmemory-policy', 'allkeys-lru')
  await store.send('ACL', 'SETUSER', 'worker', 'on', '>secret-of-the-worker', '~*', '&*', '+@all', '-info')
  const url = await startGatewayFor(store.redisUrl().replace('redis://', 'redis://worker:secret-of-the-worker@'))
  expect((await errorOf(open(url).check?.() ?? Promise.resolve())).name).toBe('BrokerRefused')
  expect(await warningsOf(url, 'blind')).toEqual([])
})
