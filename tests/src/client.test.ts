import { expect, test } from 'bun:test'
import { BrokerUnavailable, createClient, createWorker, defineApp, defineTask } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import * as v from 'valibot'
import { type Broker, MAX_BATCH_BYTES, MAX_BATCH_JOBS } from '../../src/broker.ts'
import type { Job } from '../../src/job.ts'
import { createVirtualClock, settled, type VirtualClock } from '../support/clock.ts'
import { flaky } from '../support/flaky-broker.ts'
import { seededRandom } from '../support/random.ts'
import { createBench } from '../support/worker-bench.ts'

const mail = defineTask({ name: 'mail', input: v.object({ to: v.string() }), run: ({ to }) => to.length })
const tidy = defineTask({ name: 'tidy', run: () => {} })
const app = defineApp({ tasks: [mail, tidy] })

function clientOn(wrap: (broker: Broker) => Broker = (broker) => broker, checked = false) {
  const clock = createVirtualClock()
  const batches: (readonly Job[])[] = []
  const broker = sqliteBroker({ path: ':memory:', clock })
  const counting: Broker = {
    ...broker,
    enqueue: (jobs, options) => {
      batches.push(jobs)
      return broker.enqueue(jobs, options)
    },
  }
  const tq = createClient<typeof app>({ broker: wrap(counting), clock, ...(checked ? { tasks: app.tasks } : {}) })
  return { tq, broker, batches, clock }
}

test('jobs enqueued in one turn travel as one batch, and each gets its own outcome', async () => {
  const { tq, batches } = clientOn()
  const handles = await Promise.all([
    tq.enqueue('mail', { to: 'a' }, { id: 'a' }),
    tq.enqueue('tidy'),
    tq.enqueue('mail', { to: 'a' }, { id: 'a' }),
  ])
  expect(batches.map(({ length }) => length)).toEqual([3])
  expect(handles.map(({ created }) => created)).toEqual([true, true, false])
})

test('jobs enqueued in several turns travel as one batch where their sending is put off', async () => {
  const { broker } = clientOn()
  const batches: number[] = []
  const later: (() => void)[] = []
  const enqueue: Broker['enqueue'] = (jobs) => {
    batches.push(jobs.length)
    return broker.enqueue(jobs)
  }
  const tq = createClient<typeof app>({ broker: { ...broker, enqueue }, putOff: (run) => later.push(run) })
  const first = tq.enqueue('tidy')
  await settled()
  const second = tq.enqueue('tidy')
  await settled()
  expect([batches, later.length]).toEqual([[], 1])
  later[0]?.()
  await Promise.all([first, second])
  expect(batches).toEqual([2])
})

test('a fingerprint of another form is refused', async () => {
  const { tq } = clientOn()
  for (const fingerprint of ['', 'a"b', 'x'.repeat(101)])
    expect(tq.enqueue('tidy', undefined, { fingerprint })).rejects.toMatchObject({ name: 'InvalidOption' })
})

test('a conflict concerns its own job alone', async () => {
  const { tq } = clientOn()
  const [first, conflict] = await Promise.allSettled([
    tq.enqueue('mail', { to: 'a' }, { id: 'a' }),
    tq.enqueue('mail', { to: 'b' }, { id: 'a' }),
  ])
  expect(first?.status).toBe('fulfilled')
  expect(conflict).toMatchObject({ status: 'rejected', reason: { name: 'JobConflict', id: 'a' } })
})

test('many jobs are split by number', async () => {
  const { tq, batches } = clientOn()
  const handles = await tq.enqueueMany(Array.from({ length: 2_500 }, () => ({ task: 'tidy' as const })))
  expect(batches.map(({ length }) => length)).toEqual([MAX_BATCH_JOBS, MAX_BATCH_JOBS, 500])
  expect(new Set(handles.map(({ id }) => id)).size).toBe(2_500)
})

test('many jobs are split by bytes, counted as UTF-8', async () => {
  const { tq, batches } = clientOn()
  const to = '日'.repeat(300_000)
  await tq.enqueueMany(Array.from({ length: 10 }, () => ({ task: 'mail' as const, input: { to } })))
  const bytes = batches.map((batch) => batch.reduce((sum, job) => sum + Buffer.byteLength(job.input), 0))
  expect(Math.max(...bytes)).toBeLessThanOrEqual(MAX_BATCH_BYTES)
  expect(batches.flat()).toHaveLength(10)
  expect(batches.length).toBeLessThanOrEqual(4)
})

test('nothing to enqueue is no call', async () => {
  const { tq, batches } = clientOn()
  expect(await tq.enqueueMany([])).toEqual([])
  expect(batches).toEqual([])
})

test('every option of a job arrives', async () => {
  const { tq, broker, clock } = clientOn()
  await tq.enqueue('mail', { to: 'a' }, { id: 'x', queue: 'post', priority: 7, delayMs: 9_000 })
  expect((await broker.get(['x']))[0]).toMatchObject({
    queue: 'post',
    priority: 7,
    state: 'scheduled',
    atMs: clock.now() + 9_000,
    createdAtMs: clock.now(),
  })
})

test('a job carries its tags, each once, and one without carries no such field', async () => {
  const { tq, batches } = clientOn()
  await tq.enqueue('tidy', undefined, { tags: ['eu', 'monthly', 'eu'] })
  await tq.enqueue('tidy', undefined, { tags: [] })
  const [[tagged], [plain]] = batches as unknown as [[Job], [Job]]
  expect(tagged.tags).toEqual(['eu', 'monthly'])
  expect(plain).not.toHaveProperty('tags')
})

test.each([
  [{ id: '' }, 'id'],
  [{ queue: 'q'.repeat(201) }, 'queue'],
  [{ priority: 1.5 }, 'priority'],
  [{ delayMs: -1 }, 'delayMs'],
  [{ delayMs: Number.NaN }, 'delayMs'],
  [{ dueAtMs: Number.POSITIVE_INFINITY }, 'dueAtMs'],
  [{ delayMs: 1, dueAtMs: 1 }, 'a job'],
  [{ tags: Array(9).fill('a') }, 'tags'],
  [{ tags: [''] }, 'tags'],
  [{ tags: ['a,b'] }, 'tags'],
  [{ tags: ['x'.repeat(51)] }, 'tags'],
  [{ tags: ['a\n'] }, 'tags'],
  [{ tags: 'eu' as never }, 'tags'],
  [{ tags: [1] as never }, 'tags'],
])('options that cannot be are refused: %p', async (options, option) => {
  const { tq, batches } = clientOn()
  await expect(tq.enqueue('tidy', undefined, options)).rejects.toMatchObject({ name: 'InvalidOption', option })
  expect(batches).toEqual([])
})

test('an input that JSON cannot carry or that is too large is refused before anything is sent', async () => {
  const { tq, batches } = clientOn()
  const anything = tq as unknown as { enqueue(task: string, input: unknown): Promise<unknown> }
  await expect(anything.enqueue('mail', 1n)).rejects.toMatchObject({ name: 'NotSerializable', found: 'a BigInt' })
  await expect(anything.enqueue('mail', 'x'.repeat(1_048_577))).rejects.toMatchObject({ name: 'TooLarge' })
  expect(batches).toEqual([])
})

test('a client that has the tasks checks names and inputs', async () => {
  const { tq, batches } = clientOn(undefined, true)
  await expect(tq.enqueue('mial' as 'mail', { to: 'a' })).rejects.toMatchObject({
    name: 'UnknownTask',
    suggestion: 'mail',
  })
  await expect(tq.enqueue('mail', { to: 7 as unknown as string })).rejects.toMatchObject({
    name: 'InvalidInput',
    issues: [{ path: 'to' }],
  })
  expect(batches).toEqual([])
})

test('the result comes as soon as the job has succeeded, without any time passing', async () => {
  const bench = createBench()
  const worker = bench.start([mail])
  const tq = createClient<typeof app>({ broker: bench.broker, clock: bench.clock })
  const job = await tq.enqueue('mail', { to: 'four' })
  expect(await job.result()).toBe(4)
  expect(await job.result()).toBe(4)
  worker.stop()
  await worker.done
})

test('many results are waited for at once', async () => {
  const bench = createBench()
  const tq = createClient<typeof app>({ broker: bench.broker, clock: bench.clock })
  const jobs = await Promise.all(['a', 'bb', 'ccc'].map((to) => tq.enqueue('mail', { to })))
  const results = Promise.all(jobs.map((job) => job.result()))
  const worker = bench.start([mail])
  expect(await results).toEqual([1, 2, 3])
  worker.stop()
  await worker.done
})

test('the result of a job that failed is its error', async () => {
  const bench = createBench()
  const broken = defineTask({
    name: 'mail',
    retry: { maxAttempts: 1 },
    run() {
      throw new Error('no such address')
    },
  })
  const worker = bench.start([broken])
  const job = await createClient({ broker: bench.broker, clock: bench.clock }).enqueue('mail')
  await expect(job.result()).rejects.toMatchObject({
    name: 'JobFailed',
    state: 'failed',
    attempts: 1,
    error: { name: 'Error', message: 'no such address' },
  })
  worker.stop()
  await worker.done
})

test('the result of a cancelled job is that it was cancelled', async () => {
  const { tq } = clientOn()
  const job = await tq.enqueue('tidy')
  const result = job.result()
  expect(await job.cancel()).toBe('cancelled')
  await expect(result).rejects.toMatchObject({ name: 'JobFailed', state: 'cancelled' })
})

test('a result that does not come in time says how the job is', async () => {
  const { tq, clock } = clientOn()
  const job = await tq.enqueue('tidy')
  const result = job.result({ timeoutMs: 4_000 })
  result.catch(() => {})
  await clock.advance(4_000)
  await expect(result).rejects.toMatchObject({ name: 'ResultTimeout', timeoutMs: 4_000, state: 'queued' })
})

test('waiting for a result ends with its signal, also one that has aborted before', async () => {
  const { tq } = clientOn()
  const job = await tq.enqueue('tidy')
  const abort = new AbortController()
  const waiting = job.result({ signal: abort.signal })
  await settled()
  abort.abort()
  await expect(waiting).rejects.toMatchObject({ name: 'ResultTimeout' })
  await expect(job.result({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'ResultTimeout' })
})

test('an unknown id has no result and no record', async () => {
  const { tq } = clientOn()
  const job = tq.job('nobody')
  await expect(job.result()).rejects.toMatchObject({ name: 'JobNotFound', id: 'nobody' })
  expect(await job.get()).toBeNull()
  expect(await job.cancel()).toBe('unknown')
})

test('a read whose reply is lost loses no result', async () => {
  let lost = 0
  const { tq, broker, clock } = clientOn((line) => ({
    ...line,
    get: (ids, options) =>
      lost++ < 3 ? Promise.reject(new BrokerUnavailable('test', 'no reply')) : line.get(ids, options),
  }))
  const job = await tq.enqueue('tidy')
  await broker.cancel([job.id])
  const result = job.result({ timeoutMs: 20_000 })
  result.catch(() => {})
  await clock.advance(10_000)
  await expect(result).rejects.toMatchObject({ name: 'JobFailed', state: 'cancelled' })
})

test.each([1, 2, 3])('a bad line makes no second job and loses no result (seed %d)', async (seed) => {
  const { tq, broker, clock } = clientOn((line) =>
    flaky(line, { random: seededRandom(seed), lose: 0.4, repeat: 0.3, late: 0.3 }),
  )
  const enqueued = Promise.all(Array.from({ length: 30 }, (_, at) => tq.enqueue('tidy', undefined, { id: `${at}` })))
  await clock.advance(20_000)
  const jobs = await enqueued
  await broker.cancel(jobs.map(({ id }) => id))
  const results = Promise.allSettled(jobs.map((job) => job.result({ timeoutMs: 60_000 })))
  await clock.advance(60_000)
  expect(new Set((await results).map((result) => (result as PromiseRejectedResult).reason.state))).toEqual(
    new Set(['cancelled']),
  )
  expect((await broker.stats()).queues[0]?.counts).toEqual({ cancelled: 30 })
})

test('a broker that cannot be reached is an error after twenty seconds', async () => {
  const { tq, clock } = clientOn((line) => flaky(line, { random: () => 0, lose: 1, late: 0, repeat: 0 }))
  const enqueued = tq.enqueue('tidy')
  enqueued.catch(() => {})
  await clock.advance(20_000)
  await expect(enqueued).rejects.toMatchObject({ name: 'BrokerUnavailable', retryable: true })
})

test('an id with half a character is refused: no store would keep it as it is', async () => {
  const { tq } = clientOn()
  await expect(tq.enqueue('tidy', undefined, { id: 'a\ud800' })).rejects.toMatchObject({ name: 'InvalidOption' })
})

test('a result comes although the broker cannot hint', async () => {
  const deaf = { listen: () => Promise.reject(new Error('no watches left')) }
  const { tq, broker, clock } = clientOn((given) => ({ ...given, wake: deaf }))
  const job = await tq.enqueue('tidy')
  const result = job.result({ timeoutMs: 60_000 })
  await settled()
  await createWorker({ app, broker, clock, burst: true }).run()
  await clock.advance(2_000)
  expect(await result).toBeUndefined()
})

test('who has waited in vain leaves no timer behind', async () => {
  const { clock, timers } = countTimers(createVirtualClock())
  const broker = sqliteBroker({ path: ':memory:', clock })
  const job = await createClient<typeof app>({ broker, clock }).enqueue('tidy')
  const result = job.result({ timeoutMs: 1_000 })
  result.catch(() => {})
  await clock.advance(1_000)
  await expect(result).rejects.toMatchObject({ name: 'ResultTimeout' })
  expect(timers.size).toBe(0)
})

function countTimers(clock: VirtualClock): { clock: VirtualClock; timers: Set<object> } {
  const timers = new Set<object>()
  const after: VirtualClock['after'] = (delayMs, run) => {
    const timer = {}
    timers.add(timer)
    const cancel = clock.after(delayMs, () => {
      timers.delete(timer)
      run()
    })
    return () => {
      timers.delete(timer)
      cancel()
    }
  }
  return { clock: { ...clock, after }, timers }
}

test('a listener that throws does not cost a resend', async () => {
  const clock = createVirtualClock()
  const store = sqliteBroker({ path: ':memory:', clock })
  const lost = [new BrokerUnavailable('test', 'no answer')]
  const broker: Broker = {
    ...store,
    enqueue: (jobs) => (lost.length > 0 ? Promise.reject(lost.pop()) : store.enqueue(jobs)),
  }
  const tq = createClient<typeof app>({ broker, clock, onEvent: failing })
  const job = tq.enqueue('tidy')
  job.catch(() => {})
  await clock.advance(1_000)
  expect((await job).created).toBe(true)
})

function failing(): never {
  throw new Error('the log is full')
}
