/** Turns and runs, as Redis keeps them: bounded, cleaned, and mended where nobody has told that a job has finished. */
import { expect } from 'bun:test'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import type { Overlap } from '../../../../src/schedule.ts'
import { overlapTick } from '../../../contract/broker/overlap.ts'
import { remove, set } from '../../../contract/broker/schedules.ts'
import { lane, succeed } from '../../../contract/verbs.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { startStore, TOKEN, withRedis } from './support.ts'

async function createScene(overlap: Overlap) {
  const store = await startStore()
  const clock = createVirtualClock()
  const startMs = clock.now()
  const broker = redisBroker({ url: store.url, token: TOKEN, clock, ownTime: true, subscribe: false })
  await broker.setSchedules([set('digest', { dueAtMs: startMs })])
  return {
    ...store,
    broker,
    fire: async (n: number) => (await broker.fire([overlapTick(startMs, n, overlap)]))[0],
    turns: async () => ((await store.send('HGET', '{tq}:turns', 'digest')) as string | null)?.split('\t') ?? [],
    timed: () => store.send('ZRANGE', '{tq}:q:default:t', 0, -1),
    state: async (n: number) => (await broker.get([`digest.${n}`]))[0]?.state ?? null,
  }
}

withRedis('a job whose end nobody has told keeps nobody waiting beyond the next tick', async () => {
  const { broker, fire, turns, timed, state, send } = await createScene('bufferAll')
  for (let n = 0; n < 3; n++) await fire(n)
  expect([await turns(), await timed()]).toEqual([
    ['digest.0', 'digest.1', 'digest.2'],
    ['digest.1', 'digest.2'],
  ])
  await send('DEL', '{tq}:j:digest.0')
  expect(await fire(3)).toBe('fired')
  expect([await state(1), await state(2), await state(3)]).toEqual(['queued', 'blocked', 'blocked'])
  expect([await turns(), await timed()]).toEqual([
    ['digest.1', 'digest.2', 'digest.3'],
    ['digest.2', 'digest.3'],
  ])
  expect((await lane(broker).claim(10)).map(({ id }) => id)).toEqual(['digest.1'])
})

withRedis('a job that is blocked and cancelled or removed leaves nothing behind', async () => {
  const { broker, fire, timed, turns } = await createScene('bufferAll')
  for (let n = 0; n < 3; n++) await fire(n)
  await broker.cancel(['digest.1'])
  await broker.remove(['digest.2'])
  expect(await timed()).toEqual([])
  const by = lane(broker)
  await by.settle(succeed(await by.claimOne()))
  // Of the last one no more than its id, until the next tick.
  expect(await turns()).toEqual(['digest.0'])
})

withRedis('a job that may free another carries the mark of its schedule, until it has finished', async () => {
  const { broker, fire, send } = await createScene('bufferOne')
  await fire(0)
  await fire(1)
  const record = String(await send('GET', '{tq}:j:digest.0'))
  expect(record.split('\n')[2]).toBe('\u0001digest')
  const by = lane(broker)
  await by.settle(succeed(await by.claimOne()))
  expect(String(await send('GET', '{tq}:j:digest.0')).split('\n')[2]).toBe('')
})

withRedis('what is kept of a schedule goes with it, and of many it is little', async () => {
  const { broker, send, fire } = await createScene('skip')
  await fire(0)
  expect(await send('HLEN', '{tq}:runs')).toBe(1)
  await broker.setSchedules([remove('digest', 2)])
  expect(await send('EXISTS', '{tq}:runs')).toBe(0)
  // A beat's ids, of which nothing is kept, in twenty calls of a hundred schedules each.
  const startMs = Date.UTC(2026, 0, 5, 12)
  const names = Array.from({ length: 100 }, (_, at) => `customer-${String(at).padStart(6, '0')}-report`)
  await broker.setSchedules(names.map((name) => set(name, { dueAtMs: startMs })))
  for (let n = 0; n < 20; n++)
    await broker.fire(
      names.map((schedule) => {
        const { job, ...tick } = overlapTick(startMs, n, undefined, { schedule })
        return { ...tick, job: job && { ...job, id: `${schedule}:i1:${tick.dueAtMs}` } }
      }),
    )
  expect((await broker.runs(names[7] as string)).length).toBe(10)
  expect(Number(await send('MEMORY', 'USAGE', '{tq}:runs', 'SAMPLES', 0)) / names.length).toBeLessThan(400)
})
