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
/** The stack, and what texts are put together in, grow with the largest step and shrink by themselves: as large for each, whatever has run before. */
const ROOM = "select('#', unpack({}, 1, 4000)) local _ = string.rep('x', 65536) .. 'x'"
const WEIGH: readonly ScriptChange[] = [
  [
    'local prefix, maxEvents =',
    `collectgarbage('collect') collectgarbage('stop') ${ROOM} local before = collectgarbage('count')\nlocal prefix, maxEvents =`,
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
  /** A broker under a prefix of its own, which is as long as any other's. */
  open(): Broker
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
  const brokers: Broker[] = []
  afterAll(async () => {
    expect(scripts.missed()).toEqual([])
    for (const broker of brokers) await broker.close()
    await proxy.stop()
    client.destroy()
    await redis.stop()
  })
  function open(): Broker {
    const prefix = String(10 + brokers.length)
    const broker = redisBroker({ url: proxy.url, token: redis.token, prefix, subscribe: false })
    brokers.push(broker)
    return broker
  }
  return { open, made: async () => Number(await client.get(MADE)) }
}

const scale = whyNotCounted ? undefined : await startScale()

/** A step makes at most so many bytes: the last one of `run`, on a broker that knows its queue and whose keys these are. */
function makes(step: string, maxBytes: number, run: (broker: Broker) => Promise<unknown>): void {
  if (!scale) {
    test.skip(`${step} (${whyNotCounted})`, () => {})
    return
  }
  test(`${step} makes at most ${maxBytes} bytes in Lua`, async () => {
    const broker = scale.open()
    await broker.enqueue([job('first')])
    await run(broker)
    expect(await scale.made()).toBeLessThanOrEqual(maxBytes)
  })
}

makes('enqueueing one job', 11_100, ({ enqueue }) => enqueue([job('one')]))

makes('enqueueing 500 jobs', 164_000, ({ enqueue }) => enqueue(jobs(500)))

makes('an exchange that finds nothing', 9_900, (broker) =>
  lane(broker, 'idle').exchange({ queues: ['none'], want: 10 }),
)

makes('an exchange that settles and claims 100 jobs', 144_000, async (broker) => {
  const by = lane(broker)
  await broker.enqueue(jobs(200))
  await by.claim(100, { settle: (await by.claim(100)).map((held) => succeed(held)) })
})
