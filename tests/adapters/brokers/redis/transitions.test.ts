/** The stream of what becomes of jobs, as Redis keeps it. */
import { afterAll, expect, test } from 'bun:test'
import { createClient } from '@redis/client'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import { createKeys } from '../../../../adapters/brokers/redis/keys.ts'
import type { Rest } from '../../../../adapters/brokers/redis/rest.ts'
import { createTransitionReader } from '../../../../adapters/brokers/redis/transitions.ts'
import { EVENTS } from '../../../../src/broker.ts'
import { TooLarge } from '../../../../src/errors.ts'
import { idsOf, job, jobs, lane } from '../../../contract/verbs.ts'
import { startRedisOverHttp } from '../../../support/redis-http.ts'

const redis = await startRedisOverHttp()
const client = await createClient({ url: redis.redisUrl }).connect()
afterAll(async () => {
  client.destroy()
  await redis.stop()
})

let prefixes = 0
const newPrefix = () => `told-${++prefixes}`
const open = (prefix: string, options: Partial<Parameters<typeof redisBroker>[0]> = {}) =>
  redisBroker({ url: redis.url, token: redis.token, prefix, subscribe: false, events: true, ...options })

test('a process that was not told to keep events tells of none, and reads none', async () => {
  const prefix = newPrefix()
  const [off, on] = [open(prefix, { events: false }), open(prefix)]
  await off.enqueue([job('untold')])
  await on.enqueue([job('told')])
  expect(off.transitions).toBeUndefined()
  const first = '0000000000000-00000000-0000'
  expect(idsOf((await on.transitions?.({ after: first }))?.transitions ?? [])).toEqual(['told'])
})

test('whatever stands in the place of the stream, a step does what it is to do', async () => {
  const prefix = newPrefix()
  const broker = open(prefix)
  await client.set(`{${prefix}}:events`, 'something else')
  expect(await broker.enqueue([job('a')])).toEqual(['created'])
  expect(await lane(broker).claim(1)).toHaveLength(1)
})

test('steps of many jobs keep fewer steps, and not below a hundred', async () => {
  const prefix = newPrefix()
  const broker = open(prefix)
  const length = async () => Number(await client.sendCommand(['XLEN', `{${prefix}}:events`]))
  for (let step = 0; step < 250; step++) await broker.enqueue([job(`single-${step}`)])
  expect(await length()).toBe(250)
  for (let step = 0; step < 120; step++) await broker.enqueue(jobs(1_000, `many-${step}`))
  expect(await length()).toBeGreaterThanOrEqual(100)
  expect(await length()).toBeLessThanOrEqual(110)
}, 30_000)

test('whoever reads is hinted where a waiting lane is hinted anyway, at no command more', async () => {
  const prefix = newPrefix()
  const broker = open(prefix, { subscribe: true })
  const hinted = Promise.withResolvers<void>()
  const endLane = await broker.wake?.listen('worker.1.0', () => {})
  const endReader = await broker.wake?.listen(EVENTS, () => hinted.resolve())
  await lane(broker).wait()
  await broker.enqueue([job('a')])
  await hinted.promise
  endLane?.()
  endReader?.()
  await broker.close()
})

test('a reply that is too large is asked for in smaller ones, and then in larger ones again', async () => {
  const counts: number[] = []
  const steps = Array.from({ length: 200 }, (_, at) => [`${at + 1}-0`, ['e', `\tdefault\tdigest\nq\tjob-${at}`]])
  const rest = {
    list: async ([, , from, , , count]: readonly unknown[]) => {
      counts.push(Number(count))
      if (Number(count) > 5 && counts.length < 6) throw new TooLarge('a call to Redis', 1, 2)
      const at = Math.max(
        0,
        steps.findIndex(([id]) => id === from),
      )
      return steps.slice(at, at + Number(count))
    },
  } as unknown as Rest
  const read = createTransitionReader(rest, createKeys('tq'))
  const found: string[] = []
  for (let [after, more] = ['0000000000000-00000000-0000', true]; more; ) {
    const page = await read({ after })
    found.push(...idsOf(page.transitions))
    ;({ cursor: after, more } = page)
  }
  expect(found).toEqual(Array.from({ length: 200 }, (_, at) => `job-${at}`))
  expect(counts.slice(0, 4)).toEqual([20, 10, 5, 40])
  expect(Math.max(...counts)).toBeGreaterThan(100)
})
