/** What stands beside the schedules on Redis, by which they are found, and what becomes of it when keys are lost. */
import { expect } from 'bun:test'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import { deploySchedules, every } from '../../../../scheduler/index.ts'
import { defineApp, defineTask } from '../../../../src/index.ts'
import { overlapTick } from '../../../contract/broker/overlap.ts'
import { remove, set } from '../../../contract/broker/schedules.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { startStore, TOKEN, withRedis } from './support.ts'

const NAMES = ['a', 'b', 'c']

async function createScene() {
  const store = await startStore()
  const clock = createVirtualClock()
  const open = () => redisBroker({ url: store.url, token: TOKEN, clock, ownTime: true, subscribe: false })
  const broker = open()
  await broker.setSchedules(NAMES.map((name) => set(name, { dueAtMs: clock.now() })))
  await broker.setDeployed('app', { stampMs: 1, digest: 'abc' }, null)
  const listed = async () => (await broker.schedules({ limit: 10 })).schedules.map(({ name }) => name)
  const due = async () => (await broker.schedules({ due: true, app: 'app' })).schedules.map(({ name }) => name)
  return { store, clock, broker, listed, due }
}

withRedis('schedules that another version has stored without an index are listed', async () => {
  const { store, listed } = await createScene()
  await store.send('ZREM', '{tq}:names', 'b')
  expect(await listed()).toEqual(NAMES)
  await store.send('DEL', '{tq}:names')
  expect(await listed()).toEqual(NAMES)
  expect(await store.send('ZCARD', '{tq}:names')).toBe(NAMES.length + 1)
})

withRedis('with the schedules goes what is known of their deploy, and what is left of them hides none', async () => {
  const { store, clock, broker, listed, due } = await createScene()
  await store.send('DEL', '{tq}:schedules')
  expect(await broker.deployed('app')).toBeNull()
  expect([await listed(), await due()]).toEqual([[], []])
  expect(await store.send('EXISTS', '{tq}:due:app', '{tq}:names')).toBe(0)
  await broker.setSchedules([set('b', { dueAtMs: clock.now() })])
  expect([await listed(), await due()]).toEqual([['b'], ['b']])
})

withRedis('schedules that come and go take room for a day: their lines, names and turns', async () => {
  const { store, clock, broker } = await createScene()
  const sizes = async () => [
    await store.send('HLEN', '{tq}:schedules'),
    await store.send('ZCARD', '{tq}:names'),
    await store.send('ZCARD', '{tq}:removed'),
    await store.send('HLEN', '{tq}:turns'),
  ]
  for (let day = 0; day < 3; day++) {
    const names = Array.from({ length: 300 }, (_, n) => `${day}-${n}`)
    await broker.setSchedules(names.map((name) => set(name, { dueAtMs: clock.now() })))
    await broker.fire(names.map((schedule) => overlapTick(clock.now(), 0, 'skip', { schedule })))
    await broker.setSchedules(names.map((name) => remove(name)))
    expect(await sizes()).toEqual([304, 304, 300, 300])
    await clock.advance(86_400_000)
  }
})

withRedis('a change of large schedules and of small ones in one call leaves each as it was set', async () => {
  const { store, broker } = await createScene()
  const large = `"${'x'.repeat(5_000)}"`
  const at = (stampMs: number, definitions: readonly string[]) =>
    broker.setSchedules(NAMES.map((name, n) => set(name, { definition: definitions[n] ?? '', stampMs })))
  const definitions = async () =>
    (await broker.schedules({ names: NAMES })).schedules.map(({ definition }) => definition)
  await at(2, [large, '{}', large])
  expect(await definitions()).toEqual([large, '{}', large])
  expect(await store.send('HKEYS', '{tq}:large')).toEqual(['a', 'c'])
  expect(await at(3, ['{}', large, large])).toEqual(['set', 'set', 'existing'])
  expect(await definitions()).toEqual(['{}', large, large])
  expect(((await store.send('HKEYS', '{tq}:large')) as string[]).toSorted()).toEqual(['b', 'c'])
})

withRedis('one call that names a schedule more than once does the one after the other', async () => {
  const { broker } = await createScene()
  const outcomes = await broker.setSchedules([
    { kind: 'remove', name: 'a', app: 'app', stampMs: 2 },
    set('a', { definition: '{"b":1}', incarnation: 'i2', stampMs: 3 }),
    set('new'),
    { kind: 'remove', name: 'new', app: 'app', stampMs: 2 },
  ])
  expect(outcomes).toEqual(['set', 'set', 'set', 'set'])
  const { schedules } = await broker.schedules({ names: ['a', 'new'] })
  expect(schedules).toMatchObject([{ name: 'a', definition: '{"b":1}', revision: 3, incarnation: 'i2', stampMs: 3 }])
})

withRedis('schedules that were lost come back with the next deploy of what has not changed', async () => {
  const { store, broker, listed } = await createScene()
  const task = defineTask({ name: 'tidy', run: () => 'done' })
  const app = defineApp({ name: 'shop', tasks: [task], schedules: [every('urls', '1m', { task })] })
  expect(await deploySchedules({ app, broker, stampMs: 1 })).toMatchObject({ set: 1 })
  expect(await deploySchedules({ app, broker, stampMs: 1 })).toMatchObject({ set: 0 })
  await store.send('DEL', '{tq}:schedules')
  expect(await deploySchedules({ app, broker, stampMs: 1 })).toMatchObject({ set: 1 })
  expect(await listed()).toEqual(['urls'])
})
