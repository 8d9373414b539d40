/** Real redis-servers that end and come back, in real time. No duration is asserted. */
import { expect } from 'bun:test'
import { type RedisBrokerOptions, redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import { createClient, createWorker, defineApp, defineTask, fixed, type TqEvent } from '../../../../src/index.ts'
import { endsWithTheTests, eventually, openJobs, type Store, startStore, TOKEN, withRedis } from './support.ts'

const LEASE_MS = 1_000
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always']

function open(store: Store, options: Partial<RedisBrokerOptions> = {}) {
  return redisBroker({ url: store.url, token: TOKEN, callTimeoutMs: 2_000, ...options })
}

/** A worker that calls back for every job it begins. */
function work(store: Store, onJob: (id: string) => void) {
  const events: TqEvent[] = []
  const task = defineTask({
    name: 'work',
    retry: { maxAttempts: 5, backoff: fixed({ delayMs: 10 }) },
    async run(_, job) {
      onJob(job.id)
      return job.id
    },
  })
  const worker = createWorker({
    app: defineApp({ tasks: [task] }),
    broker: open(store),
    concurrency: 5,
    leaseMs: LEASE_MS,
    onEvent: (event) => events.push(event),
  })
  const done = worker.run()
  let ended = false
  const stop = async () => {
    if (ended) return
    ended = true
    worker.stop({ graceMs: 1_000 })
    await done
  }
  endsWithTheTests(stop)
  return { events, stop }
}

const idsTo = (count: number, name: string) => Array.from({ length: count }, (_, at) => `${name}-${at}`)
const toRequests = (ids: readonly string[]) => ids.map((id) => ({ task: 'work', options: { id } }))

withRedis('a server that has forgotten the scripts gets them again', async () => {
  const store = await startStore()
  const broker = open(store)
  const client = createClient({ broker })
  await client.enqueue('work', null, { id: 'before' })
  await store.send('SCRIPT', 'FLUSH')
  await client.enqueue('work', null, { id: 'after' })
  expect((await broker.get(['before', 'after'])).map((record) => record?.state)).toEqual(['queued', 'queued'])
})

withRedis(
  'with appendfsync always nothing is lost by a crash, and workers and producers go on by themselves',
  async () => {
    const store = await startStore(...DURABLE)
    const broker = open(store)
    const client = createClient({ broker })
    const [early, late] = [idsTo(300, 'early'), idsTo(100, 'late')]
    await client.enqueueMany(toRequests(early))
    const begun = new Set<string>()
    let crashed: Promise<void> | undefined
    const { stop } = work(store, (id) => {
      begun.add(id)
      if (begun.size >= 100) crashed ??= store.kill()
    })
    await eventually(() => crashed !== undefined)
    await crashed
    const accepted = client.enqueueMany(toRequests(late))
    await store.start()
    await accepted
    await eventually(async () => (await openJobs(broker)) === 0)
    await stop()
    const states = (await broker.get([...early, ...late])).map((record) => record?.state)
    expect(new Set(states)).toEqual(new Set(['succeeded']))
  },
)

withRedis(
  'a snapshot that is some writes old: what it holds is run, what came after may be gone, nothing is corrupt',
  async () => {
    const store = await startStore()
    const broker = open(store)
    const client = createClient({ broker })
    const [kept, gone] = [idsTo(60, 'kept'), idsTo(40, 'gone')]
    await client.enqueueMany(toRequests(kept))
    const runs = new Map<string, number>()
    let taken: Promise<void> | undefined
    const { events, stop } = work(store, (id) => {
      runs.set(id, (runs.get(id) ?? 0) + 1)
      if (runs.size >= 20) taken ??= store.snapshot()
    })
    await eventually(() => taken !== undefined)
    await taken
    await client.enqueueMany(toRequests(gone))
    await eventually(async () => (await openJobs(broker)) === 0)
    await store.kill()
    store.rollBack()
    await store.start()

    await eventually(async () => (await openJobs(broker)) === 0)
    expect(new Set((await broker.get(kept)).map((record) => record?.state))).toEqual(new Set(['succeeded']))
    expect(new Set((await broker.get(gone)).map((record) => record?.state ?? 'unknown'))).toEqual(new Set(['unknown']))

    // Producers that send the vanished ones again get them run, and the worker has no trouble left.
    const before = events.length
    const handles = await client.enqueueMany(toRequests([...kept, ...gone]))
    expect(handles.filter(({ created }) => created).map(({ id }) => id)).toEqual(gone)
    await eventually(async () => (await openJobs(broker)) === 0)
    await stop()
    const troubles = events.slice(before).filter(({ kind }) => kind.startsWith('broker.') || kind === 'job.late')
    expect(troubles).toEqual([])
    expect(new Set((await broker.get(gone)).map((record) => record?.state))).toEqual(new Set(['succeeded']))
  },
)

withRedis('a snapshot from the middle of a lease: the job runs again, and is settled once', async () => {
  const store = await startStore()
  const broker = open(store, { subscribe: false })
  await createClient({ broker }).enqueue('work', null, { id: 'job' })
  const request = { queues: ['default'], want: 1, takeLost: true, leaseMs: 1_000, settle: [], extend: [], waitMs: 0 }
  await store.snapshot()
  const ghost = await broker.exchange({ lane: 'ghost.1.0', seq: 1, ...request })
  await store.kill()
  store.rollBack()
  await store.start()

  await eventually(async () => (await openJobs(broker)) === 1)
  const [holder] = (await broker.exchange({ lane: 'holder.1.0', seq: 1, ...request })).jobs
  expect(holder?.id).toBe('job')
  const settle = (ref: { id: string; epoch: number } | undefined, result: string) =>
    [{ id: ref?.id ?? '', epoch: ref?.epoch ?? 0, kind: 'succeeded', result, keepMs: 60_000 }] as const
  // The store has handed out the same epoch twice: both hold the same lease, and the first to settle it does so once.
  const first = await broker.exchange({
    ...request,
    lane: 'ghost.1.0',
    seq: 2,
    want: 0,
    settle: settle(ghost.jobs[0], '1'),
  })
  const second = await broker.exchange({
    ...request,
    lane: 'holder.1.0',
    seq: 2,
    want: 0,
    settle: settle(holder, '2'),
  })
  expect([first.late, second.late]).toEqual([[], []])
  expect((await broker.get(['job']))[0]).toMatchObject({ state: 'succeeded', result: '1', attempts: 1 })
})
