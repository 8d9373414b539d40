/** What a full queue of the Redis broker has more to mind than another's: entries that their jobs have left behind. */
import { expect } from 'bun:test'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import type { TransitionOptions } from '../../../../src/transitions.ts'
import { job, jobs, lane, read, stateOf } from '../../../contract/verbs.ts'
import { startStore, TOKEN, withRedis } from './support.ts'

async function open(maxReady: number, given: TransitionOptions = {}) {
  const store = await startStore()
  const options = { url: store.url, token: TOKEN, subscribe: false, whenFull: 'drop-oldest', ...given } as const
  return { store, broker: redisBroker({ ...options, maxReady }), other: redisBroker({ ...options, maxReady: 10 }) }
}

withRedis('an entry that a replayed job has left behind does not drop it', async () => {
  const { broker } = await open(3)
  await broker.enqueue(jobs(3))
  await broker.cancel(['job-0000'])
  await broker.retry([{ id: 'job-0000', epoch: (await read(broker, 'job-0000')).epoch }])
  await broker.enqueue([job('more')])
  expect(await stateOf(broker, 'job-0000')).toBe('queued')
})

withRedis('a second entry of a job that a worker holds does not drop it', async () => {
  const { store, broker } = await open(1)
  await broker.enqueue([job('a')])
  await lane(broker).claimOne()
  await store.send('RPUSH', '{tq}:q:default:r', 'a')
  await broker.enqueue([job('b')])
  expect([await stateOf(broker, 'a'), await stateOf(broker, 'b')]).toEqual(['active', 'queued'])
})

withRedis('where the bound has been lowered a queue comes down to it in steps that stay short', async () => {
  const { store, broker, other } = await open(5_000)
  for (let at = 0; at < 5; at++) await broker.enqueue(jobs(1_000, `batch-${at}`))
  const lengths: unknown[] = []
  for (let at = 0; at < 11; at++) {
    await other.enqueue([job(`more-${at}`)])
    lengths.push(await store.send('LLEN', '{tq}:q:default:r'))
  }
  expect(lengths.slice(0, 2)).toEqual([4_500, 4_000])
  expect(lengths.slice(-2)).toEqual([10, 10])
})

withRedis('large jobs that give way to small ones are read in parts of 4 MB', async () => {
  const { store, broker } = await open(12)
  const large = { input: JSON.stringify('x'.repeat(1_000_000)) }
  for (let at = 0; at < 12; at++) await broker.enqueue([job(`large-${at}`, large)])
  await store.send('CONFIG', 'RESETSTAT')
  await broker.enqueue(jobs(12))
  const stats = String(await store.send('INFO', 'commandstats'))
  expect(/cmdstat_mget:calls=(\d+)/.exec(stats)?.[1]).toBe('4')
  const states = (await broker.get(Array.from({ length: 12 }, (_, at) => `large-${at}`))).map((one) => one?.state)
  expect(new Set(states)).toEqual(new Set(['cancelled']))
})

withRedis(
  'however many jobs give way in one step, each of them tells its failure, and each change is told once',
  async () => {
    const { broker, other } = await open(1_000, { events: true })
    if (!other.transitions) throw new Error('expected events')
    const queues = Array.from({ length: 11 }, (_, at) => `queue-${at}`)
    const onFailure = 'https://hooks.example/'
    for (const queue of queues) await broker.enqueue(jobs(600, queue, { queue, onFailure }))
    const { cursor } = await other.transitions()
    const more = queues.map((queue) => job(`more-${queue}`, { queue }))
    expect(new Set(await other.enqueue(more))).toEqual(new Set(['created']))
    const told = new Map<string, number>()
    for (let [after, isMore] = [cursor, true]; isMore; ) {
      const page = await other.transitions({ after })
      for (const { state, id } of page.transitions) {
        const what = id.includes('onFailure') ? 'callback' : state
        told.set(what, (told.get(what) ?? 0) + 1)
      }
      ;({ cursor: after, more: isMore } = page)
    }
    const dropped = 11 * 501
    expect(Object.fromEntries(told)).toEqual({ queued: 11, cancelled: dropped, callback: dropped })
  },
)
