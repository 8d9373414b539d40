/** Ticks that were missed, through the whole of a Redis: what they cost, and a queue that has no room for all of them. */
import { expect } from 'bun:test'
import { deploySchedules, every, tick } from 'tq-edge/scheduler'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import { appWith, ticksOf, tidy } from '../../../scheduler/support.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { startStore, TOKEN, withRedis } from './support.ts'

async function createScene(limits: { maxReady?: number } = {}) {
  const { url } = await startStore()
  const clock = createVirtualClock(Date.parse('2026-01-05T12:00:00Z'))
  const broker = redisBroker({ url, token: TOKEN, clock, ownTime: true, subscribe: false, ...limits })
  const app = appWith(every('often', '1s', { task: tidy, catchUp: 'all' }), every('hourly', '1h', { task: tidy }))
  await deploySchedules({ app, broker, clock, stampMs: 1, newId: () => 'i1' })
  return { app, broker, clock }
}

withRedis('a thousand missed ticks of a schedule are two calls: their commands are those of a few', async () => {
  const { app, broker, clock } = await createScene()
  await clock.advance(3_600_000)
  const before = broker.commandsSpent?.() ?? 0
  expect((await tick({ app, broker, clock })).fired).toBe(1_001)
  expect((broker.commandsSpent?.() ?? 0) - before).toBeLessThanOrEqual(60)
  const times = (await ticksOf(broker, 'often')).map(({ dueAtMs }) => dueAtMs)
  expect(times).toEqual(Array.from({ length: 1_000 }, (_, at) => clock.now() - (999 - at) * 1_000))
  await broker.close()
})

withRedis('where a queue has room for some of them, those are the first, and the others stay due', async () => {
  const { app, broker, clock } = await createScene({ maxReady: 3 })
  await clock.advance(5_000)
  expect(await tick({ app, broker, clock })).toMatchObject({ fired: 3, nextAtMs: clock.now() + 1_000 })
  const { schedules } = await broker.schedules()
  expect(schedules.find(({ name }) => name === 'often')?.dueAtMs).toBe(clock.now() - 1_000)
  await broker.close()
})
