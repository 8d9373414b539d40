/** Whose keys they are: the format is noted beside them, and looked at before anything is written. */
import { expect } from 'bun:test'
import { createBeat, every } from '../../../../scheduler/index.ts'
import { createWorker, defineApp, defineTask } from '../../../../src/index.ts'
import { CALLS, errorOf, errorsOfAll, everyCallIs, JOB, open } from './calls.ts'
import { type Store, startStore, withRedis } from './support.ts'

const META = '{tq}:meta'
const ours = (store: Store) => open(store.url)
const keysOf = async (store: Store) => ((await store.send('KEYS', '*')) as string[]).sort()

/** Whatever a process does first. */
async function firstCallsFail(store: Store): Promise<void> {
  for (const [name, call] of Object.entries(CALLS)) {
    const error = await errorOf(call(ours(store)))
    expect([name, error.name]).toEqual([name, 'UnusableStore'])
  }
  expect(await keysOf(store)).toEqual([META])
}

withRedis('a fresh database has the format noted by the first script, not by a bare look', async () => {
  const store = await startStore()
  const broker = ours(store)
  await broker.get(['job'])
  expect(await keysOf(store)).toEqual([])
  await broker.stats()
  expect(await store.send('GET', META)).toBe('4|1')
})

withRedis('keys of a later format are refused, whatever comes first, and nothing is written', async () => {
  const store = await startStore()
  await store.send('SET', META, '12|11')
  await firstCallsFail(store)
  expect((await errorOf(ours(store).enqueue([JOB]))).message).toBe(
    'expected the keys under {tq}: to be of format 4 or one compatible with it, got format 12, compatible back to 11: update tq-edge in this process, or use another prefix',
  )
})

withRedis('a process that was refused goes on being refused, and works once the keys are its own', async () => {
  const store = await startStore()
  await store.send('SET', META, '9|9')
  const broker = ours(store)
  expect(await errorsOfAll(broker)).toEqual(everyCallIs('UnusableStore'))
  expect(await errorsOfAll(broker)).toEqual(everyCallIs('UnusableStore'))
  await store.send('DEL', META)
  expect(await broker.enqueue([JOB])).toEqual(['created'])
})

withRedis('keys of a later format that is compatible with ours are used, and stay noted as they are', async () => {
  const store = await startStore()
  await store.send('SET', META, '9|1')
  const [reader, writer] = [ours(store), ours(store)]
  expect(await reader.get(['job'])).toEqual([null])
  expect(await writer.enqueue([JOB])).toEqual(['created'])
  expect(await store.send('GET', META)).toBe('9|1')
})

withRedis('another’s value under the name is refused, and not repeated', async () => {
  const store = await startStore()
  await store.send('SET', META, 'a-payload-nobody-may-see')
  await firstCallsFail(store)
})

withRedis('a key of another type under the name is refused', async () => {
  const store = await startStore()
  await store.send('RPUSH', META, 'x')
  await firstCallsFail(store)
})

withRedis('a first look that would tell of a worker’s presence tells another’s keys nothing', async () => {
  const store = await startStore()
  await store.send('SET', META, '9|9')
  const presence = { worker: 'w', queues: ['default'], concurrency: 1, running: 0, runtime: 'bun', startedAtMs: 0 }
  const look = ours(store).peek?.({ queues: ['default'], presence }) ?? Promise.resolve()
  expect((await errorOf(look)).name).toBe('UnusableStore')
  expect(await keysOf(store)).toEqual([META])
})

withRedis('a worker and a beat end with it', async () => {
  const store = await startStore()
  await store.send('SET', META, '9|9')
  const task = defineTask({ name: 'work', run: () => {} })
  const app = defineApp({ tasks: [task], schedules: [every('often', '1m', { task })] })
  expect((await errorOf(createWorker({ app, broker: ours(store) }).run())).name).toBe('UnusableStore')
  expect((await errorOf(createBeat({ app, broker: ours(store) }).run())).name).toBe('UnusableStore')
  expect(await keysOf(store)).toEqual([META])
})
