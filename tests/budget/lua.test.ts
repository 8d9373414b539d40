/**
 * What the script of a step makes in Lua, in bytes: each of its functions at each run, called or not, and then what it works with. It
 * is most of what a small step has a server do, and the same on any machine, however busy.
 *
 * @module
 */
import { afterAll, expect, test } from 'bun:test'
import { createClient } from '@redis/client'
import { redisBroker } from '../../adapters/brokers/redis/index.ts'
import type { Broker } from '../../src/broker.ts'
import { job, jobs, lane, succeed } from '../contract/verbs.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startRedisOverHttp } from '../support/redis-http.ts'
import { changeScripts, type ScriptChange } from '../support/script-changes.ts'
import { whyNotCounted } from './meter.ts'

const MADE = 'test:made'
const WEIGH: readonly ScriptChange[] = [
  [
    'local prefix, maxEvents =',
    "collectgarbage('collect') collectgarbage('stop') local before = collectgarbage('count')\nlocal prefix, maxEvents =",
  ],
  [
    'return { run(), calls }',
    `local out = run()
    inner.call('SET', '${MADE}', math.ceil((collectgarbage('count') - before) * 1024))
    collectgarbage('restart')
    return { out, calls }`,
  ],
]

interface Scale {
  readonly broker: Broker
  /** How many bytes the script of the last call has made. */
  made(): Promise<number>
}

async function startScale(): Promise<Scale> {
  const redis = await startRedisOverHttp()
  const scripts = changeScripts(WEIGH)
  const proxy = await startFaultProxy({
    ...{ target: redis.url, random: () => 1, maxLateMs: 0, shares: {} },
    rewrite: scripts.rewrite,
  })
  const client = await createClient({ url: redis.redisUrl }).connect()
  const broker = redisBroker({ url: proxy.url, token: redis.token, subscribe: false })
  afterAll(async () => {
    expect(scripts.missed()).toEqual([])
    await broker.close()
    await proxy.stop()
    client.destroy()
    await redis.stop()
  })
  return { broker, made: async () => Number(await client.get(MADE)) }
}

const scale = whyNotCounted ? undefined : await startScale()

/** A step makes at most so many bytes. */
function makes(step: string, maxBytes: number, run: (broker: Broker) => Promise<unknown>): void {
  if (!scale) {
    test.skip(`${step} (${whyNotCounted})`, () => {})
    return
  }
  test(`${step} makes at most ${maxBytes} bytes in Lua`, async () => {
    await run(scale.broker)
    expect(await scale.made()).toBeLessThanOrEqual(maxBytes)
  })
}

makes('enqueueing one job', 11_100, async ({ enqueue }) => {
  await enqueue([job('first')])
  await enqueue([job('one')])
})

makes('enqueueing 500 jobs', 204_000, ({ enqueue }) => enqueue(jobs(500)))

makes('an exchange that finds nothing', 9_900, (broker) =>
  lane(broker, 'idle').exchange({ queues: ['none'], want: 10 }),
)

makes('an exchange that settles and claims 100 jobs', 153_000, async (broker) => {
  const by = lane(broker)
  await by.claim(100, { settle: (await by.claim(100)).map((held) => succeed(held)) })
})
