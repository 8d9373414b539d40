/** Ticks that are looked ahead, as Redis keeps them: bounded, cleaned, and whole over a full queue or a script that stopped. */
import { expect } from 'bun:test'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import type { Tick } from '../../../../src/broker.ts'
import { job, jobs, lane } from '../../../contract/verbs.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { startStore, TOKEN, withRedis } from './support.ts'

const EVERY_MS = 5_000

async function createScene(limits: { maxReady?: number; maxTimed?: number } = {}) {
  const store = await startStore()
  const clock = createVirtualClock()
  const broker = redisBroker({ url: store.url, token: TOKEN, clock, ownTime: true, subscribe: false, ...limits })
  const startMs = clock.now()
  const dueAt = (n: number) => startMs + n * EVERY_MS
  return {
    store,
    clock,
    broker,
    dueAt,
    /** The n-th due times of a schedule; the 0th is now. */
    ticks: (schedule: string, ns: readonly number[], queue = 'default'): Tick[] =>
      ns.map((n) => ({
        schedule,
        revision: 1,
        dueAtMs: dueAt(n),
        nextDueAtMs: dueAt(n + 1),
        job: job(`${schedule}.${n}`, { dueAtMs: dueAt(n), queue }),
      })),
    async set(name: string, definition = '{}', dueAtMs = startMs): Promise<void> {
      const change = { kind: 'set', name, app: 'app', definition, dueAtMs, incarnation: 'i', stampMs: 1 } as const
      await broker.setSchedules([change])
    },
    async notes(name: string): Promise<string[]> {
      const text = (await store.send('HGET', '{tq}:ahead', name)) as string | null
      return (text ?? '').split('\n').flatMap((line) => line.split('|')[2] ?? [])
    },
    async dueOf(name: string): Promise<number | null | undefined> {
      return (await broker.schedules()).schedules.find((schedule) => schedule.name === name)?.dueAtMs
    },
  }
}

withRedis(
  'what is noted of a schedule is what is not due yet, goes with a change, and by itself in the end',
  async () => {
    const { broker, clock, store, ticks, set, notes } = await createScene()
    await set('often')
    await broker.fire(ticks('often', [0]))
    expect(await store.send('EXISTS', '{tq}:ahead')).toBe(0)
    await broker.fire(ticks('often', [1, 2, 3]))
    expect(await notes('often')).toEqual(['often.1', 'often.2', 'often.3'])
    await clock.advance(2 * EVERY_MS)
    await broker.fire(ticks('often', [4, 5]))
    expect(await notes('often')).toEqual(['often.3', 'often.4', 'often.5'])
    const ttlMs = Number(await store.send('PTTL', '{tq}:ahead'))
    expect(ttlMs).toBeGreaterThan(900_000)
    await set('often', '{"edited":1}')
    expect(await store.send('EXISTS', '{tq}:ahead')).toBe(0)
  },
)

withRedis('a queue that is full keeps back the ticks of its own schedules alone', async () => {
  const { broker, ticks, set, dueOf, dueAt, clock } = await createScene({ maxReady: 1 })
  for (const name of ['a', 'b', 'c']) await set(name)
  await broker.enqueue([job('first')])
  const call = [...ticks('a', [0, 1]), ...ticks('b', [0, 1], 'other'), ...ticks('c', [0, 1])]
  expect(await broker.fire(call)).toEqual(['full', 'full', 'fired', 'fired', 'full', 'full'])
  expect([await dueOf('a'), await dueOf('b'), await dueOf('c')]).toEqual([dueAt(0), dueAt(2), dueAt(0)])
  expect((await broker.get(['a.0', 'a.1', 'b.0', 'b.1'])).map((record) => record?.state ?? null)).toEqual([
    null,
    null,
    'queued',
    'scheduled',
  ])
  await lane(broker).claim(1)
  expect(await broker.fire(ticks('a', [0, 1]))).toEqual(['fired', 'fired'])
  await clock.advance(EVERY_MS)
})

withRedis('where no more timed jobs have room, what is due is fired all the same', async () => {
  const { broker, ticks, set, dueOf, dueAt, notes } = await createScene({ maxTimed: 3 })
  await set('often')
  await broker.enqueue(jobs(2, 'later', { delayMs: 60_000 }))
  expect(await broker.fire(ticks('often', [0, 1, 2, 3]))).toEqual(['fired', 'fired', 'full', 'full'])
  expect([await dueOf('often'), await notes('often')]).toEqual([dueAt(2), ['often.1']])
  expect((await broker.stats()).queues.map(({ counts }) => counts)).toEqual([{ queued: 1, scheduled: 3 }])
})

withRedis('a change that stopped half-way is finished by the one that is sent again', async () => {
  const { broker, store, ticks, set, dueOf, dueAt } = await createScene()
  await set('often')
  await broker.fire(ticks('often', [0, 1, 2, 3]))
  // The first thing that it does.
  await store.send('DEL', '{tq}:j:often.1', '{tq}:j:often.2')
  await set('often', '{"edited":1}')
  expect([await dueOf('often'), await broker.get(['often.3'])]).toEqual([dueAt(1), [null]])
})
