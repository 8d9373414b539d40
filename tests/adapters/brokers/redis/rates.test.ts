/** What a rate limit is on Redis: one key that ends by itself, by the server's time. */
import { expect } from 'bun:test'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import { systemClock } from '../../../../src/clock.ts'
import { startStore, TOKEN, withRedis } from './support.ts'

const HOUR_MS = 3_600_000
const LIMIT = { key: 'somebody', calls: 3, windowMs: HOUR_MS }

withRedis('a rate limit is one key, which ends once its calls are paid for', async () => {
  const store = await startStore()
  const broker = redisBroker({ url: store.url, token: TOKEN, subscribe: false })
  for (const paidMs of [HOUR_MS / 3, (2 * HOUR_MS) / 3, HOUR_MS, HOUR_MS]) {
    await broker.countCall([LIMIT])
    const ttlMs = Number(await store.send('PTTL', '{tq}:c:somebody'))
    expect(ttlMs).toBeGreaterThan(paidMs - HOUR_MS / 6)
    expect(ttlMs).toBeLessThanOrEqual(paidMs)
  }
  expect(((await store.send('KEYS', '{tq}:c:*')) as string[]).length).toBe(1)
  await broker.close()
})

withRedis('whatever the clocks of those say who count, it is the server’s time that passes', async () => {
  const { url } = await startStore()
  const open = (offMs: number) => {
    const clock = { ...systemClock, now: () => systemClock.now() + offMs }
    return redisBroker({ url, token: TOKEN, subscribe: false, clock })
  }
  const brokers = [open(0), open(2 * HOUR_MS), open(-2 * HOUR_MS), open(2 * HOUR_MS)]
  const allowed: (boolean | undefined)[] = []
  for (const broker of brokers) allowed.push((await broker.countCall([LIMIT]))[0]?.allowed)
  expect(allowed).toEqual([true, true, true, false])
  for (const broker of brokers) await broker.close()
})
