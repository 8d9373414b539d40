/** What is left in the store once everything is done: docs/redis.md names it. */
import { expect } from 'bun:test'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import { createClient, createWorker, defineApp, defineTask } from '../../../../src/index.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { eventually, startStore, TOKEN, withRedis } from './support.ts'

const DAY_MS = 86_400_000

withRedis(
  'the store is empty again but for its format and queues after a drain, the time that records are kept, and prune',
  async () => {
    const store = await startStore()
    const clock = createVirtualClock()
    const prefix = 'app'
    const open = () => redisBroker({ url: store.url, token: TOKEN, prefix, clock, ownTime: true })
    const broker = open()
    const client = createClient({ broker, clock })
    const app = defineApp({
      tasks: [
        defineTask({ name: 'work', run: (input) => input }),
        defineTask({ name: 'fail', retry: { maxAttempts: 2 }, run: () => Promise.reject(new Error('no')) }),
      ],
    })
    await client.enqueueMany([
      ...Array.from({ length: 600 }, (_, at) => ({ task: 'work', options: { id: `work-${at}` } })),
      ...Array.from({ length: 5 }, (_, at) => ({ task: 'work', options: { id: `ranked-${at}`, priority: at } })),
      ...Array.from({ length: 5 }, (_, at) => ({ task: 'work', options: { id: `timed-${at}`, delayMs: DAY_MS } })),
      ...Array.from({ length: 5 }, (_, at) => ({ task: 'fail', options: { id: `fail-${at}`, queue: 'other' } })),
      { task: 'work', input: 'x'.repeat(10_000), options: { id: 'large' } },
      { task: 'work', options: { id: 'cancelled' } },
      { task: 'work', options: { id: 'removed' } },
    ])
    await broker.cancel(['cancelled'])
    await broker.remove(['removed'])

    const workers = open()
    const worker = createWorker({ app, broker: workers, clock, queues: ['default', 'other'] })
    const done = worker.run()
    const waiting = async () => {
      const { queues } = await broker.stats()
      return queues.flatMap(({ counts: { queued = 0, active = 0, scheduled = 0 } }) => [queued, active, scheduled])
    }
    await eventually(async () => {
      await clock.advance(3_600_000)
      return (await waiting()).every((count) => count === 0)
    })
    worker.stop()
    await done
    await workers.close()
    expect((await broker.get(['large', 'fail-0'])).map((record) => record?.state ?? null)).toContain('failed')

    await clock.advance(8 * DAY_MS)
    while ((await broker.prune()) > 0);
    const keys = ((await store.send('KEYS', '*')) as string[]).sort()
    const lanes = keys.filter((key) => key.startsWith('{app}:w:'))
    expect(keys.filter((key) => !lanes.includes(key))).toEqual(['{app}:meta', '{app}:q:default:s', '{app}:queues'])
    expect(lanes).not.toEqual([])
    for (const lane of lanes) {
      const ttlMs = (await store.send('PTTL', lane)) as number
      expect(ttlMs).toBeGreaterThan(0)
      expect(ttlMs).toBeLessThanOrEqual(120_000)
    }
  },
)
