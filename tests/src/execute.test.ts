import { expect, test } from 'bun:test'
import { defineTask, NonRetryable, RetryAfter, type Task } from 'tq-edge'
import * as v from 'valibot'
import { job } from '../contract/verbs.ts'
import { createBench } from '../support/worker-bench.ts'

const thrower = (thrown: unknown) =>
  defineTask({
    name: 'throw',
    run() {
      throw thrown
    },
  })

async function runOnce<Name extends string, Input, Result>(task: Task<Name, Input, Result>, input?: unknown) {
  const bench = createBench()
  const id = await bench.enqueue(task.name, input)
  const totals = await bench.start([task], { burst: true }).done
  return { bench, record: await bench.read(id), totals }
}

test('a job that succeeds keeps what its handler returned', async () => {
  const { record, totals } = await runOnce(
    defineTask({ name: 'add', run: (input) => ({ sum: Number(input) + 1 }) }),
    41,
  )
  expect([record.state, record.result, record.attempts]).toEqual(['succeeded', '{"sum":42}', 1])
  expect(totals.succeeded).toBe(1)
})

test('a handler is told of the tags of its job, none for one without', async () => {
  const told: (readonly string[])[] = []
  const bench = createBench()
  await bench.broker.enqueue([job('tagged', { task: 'tell', tags: ['eu'] }), job('plain', { task: 'tell' })])
  await bench.start([defineTask({ name: 'tell', run: (_, { tags }) => void told.push(tags) })], { burst: true }).done
  expect(told).toEqual([['eu'], []])
})

test('a handler that returns nothing leaves an empty result', async () => {
  const { record } = await runOnce(defineTask({ name: 'nothing', run() {} }))
  expect([record.state, record.result]).toEqual(['succeeded', ''])
})

test('what a handler returns is awaited, also when it is no Promise but can be awaited', async () => {
  // Query builders are such things.
  // biome-ignore lint/suspicious/noThenProperty: that is the point
  const query = { then: (resolve: (rows: number[]) => void) => resolve([1, 2]) }
  const { record } = await runOnce(defineTask({ name: 'query', run: () => query as unknown as number[] }))
  expect(record.result).toBe('[1,2]')
})

test('an error is retried after the backoff and kept meanwhile', async () => {
  const { record, bench } = await runOnce(thrower(new TypeError('no such host')))
  expect([record.state, record.attempts, record.error?.name, record.error?.message]).toEqual([
    'retrying',
    1,
    'TypeError',
    'no such host',
  ])
  expect(record.atMs).toBe(bench.clock.now() + 750)
})

test('a job is tried maxAttempts times in all, then it fails and is kept', async () => {
  const bench = createBench()
  let attempts = 0
  const task = defineTask({
    name: 'flaky',
    retry: { maxAttempts: 3, backoff: (attempt) => attempt * 100 },
    run(_input, job) {
      attempts++
      throw new Error(`attempt ${job.attempt}`)
    },
  })
  const id = await bench.enqueue('flaky')
  const worker = bench.start([task])
  await bench.reaches(id, 'retrying')
  await bench.clock.advance(100)
  await bench.reaches(id, 'retrying')
  await bench.clock.advance(200)
  const { error, finishedAtMs } = await bench.reaches(id, 'failed')
  expect([attempts, error?.message, finishedAtMs]).toEqual([3, 'attempt 3', bench.clock.now()])
  worker.stop()
  expect((await worker.done).retried).toBe(2)
})

test('RetryAfter says when the next attempt is', async () => {
  const { record, bench } = await runOnce(thrower(new RetryAfter(123_000)))
  expect([record.state, record.atMs]).toEqual(['retrying', bench.clock.now() + 123_000])
})

test.each([0.6, 1_500.5, 1e300])('RetryAfter of %p ms is a time that a broker can keep', async (delayMs) => {
  const { record } = await runOnce(thrower(new RetryAfter(delayMs)))
  expect(record.state).toBe('retrying')
  expect(Number.isSafeInteger(record.atMs)).toBe(true)
})

test('an error that only calls itself RetryAfter loses no job', async () => {
  const { record } = await runOnce(thrower(Object.assign(new Error('later'), { name: 'RetryAfter' })))
  expect([record.state, record.attempts]).toEqual(['failed', 5])
})

test.each([Number.NaN, Number.POSITIVE_INFINITY, -5])('a backoff of %p ms tries again at once', async (delayMs) => {
  const task = defineTask({ ...definitionOfThrow, retry: { backoff: () => delayMs } })
  const { record } = await runOnce(task)
  expect([record.state, record.attempts]).toEqual(['failed', 5])
})

const definitionOfThrow = {
  name: 'throw',
  run() {
    throw new Error('it broke')
  },
}
const broken = () => {
  throw new Error('broken policy')
}

test('a backoff that throws loses no job', async () => {
  const { record } = await runOnce(defineTask({ ...definitionOfThrow, retry: { backoff: broken } }))
  expect([record.state, record.error?.message]).toEqual(['retrying', 'it broke'])
})

test('a retryIf that throws loses no job', async () => {
  const { record } = await runOnce(defineTask({ ...definitionOfThrow, retry: { retryIf: broken } }))
  expect([record.state, record.error?.message]).toEqual(['retrying', 'it broke'])
})

test('retryIf says which errors another attempt can mend', async () => {
  const retryIf = (error: Error) => error.message !== 'it broke'
  const { record } = await runOnce(defineTask({ ...definitionOfThrow, retry: { retryIf } }))
  expect([record.state, record.attempts]).toEqual(['failed', 1])
})

test('NonRetryable fails at once, and keeps its message', async () => {
  const { record, bench } = await runOnce(thrower(new NonRetryable('no such address')))
  expect([record.state, record.error?.message]).toEqual(['failed', 'no such address'])
  expect(bench.said('job.failed')[0]?.reason).toBe('not retryable')
})

test.each([
  ['a text', 'secret text', 'a string of 11 characters'],
  ['nothing', undefined, 'undefined'],
  ['null', null, 'null'],
  ['an object', { token: 'secret' }, 'an object of Object'],
])('a handler that throws %s is described, not quoted, and tried again', async (_what, thrown, found) => {
  const { record } = await runOnce(thrower(thrown))
  expect([record.state, record.error?.name]).toEqual(['retrying', 'NonError'])
  expect(record.error?.message).toContain(found)
  expect(record.error?.message).not.toContain('secret')
})

test('an error whose name and message are no texts is kept all the same', async () => {
  const odd = Object.assign(new Error(), { name: 7, message: { code: 4 } })
  const { record } = await runOnce(thrower(odd))
  expect(record.state).toBe('retrying')
  expect(record.error?.message).toBeString()
})

const cycle: { self?: unknown } = {}
cycle.self = cycle

test.each([
  ['a BigInt', 1n],
  ['a cycle', cycle],
  ['a function', () => 1],
  ['a symbol', Symbol('s')],
])('a result that is %s fails for good: another attempt would do the work twice', async (what, value) => {
  const { record } = await runOnce(defineTask({ name: 'odd', run: () => value as unknown }))
  expect([record.state, record.attempts, record.error?.name]).toEqual(['failed', 1, 'NotSerializable'])
  expect(record.error?.message).toContain(what)
})

test('a result over the limit fails for good', async () => {
  const bench = createBench()
  const id = await bench.enqueue('large')
  const task = defineTask({ name: 'large', run: () => 'ü'.repeat(600) })
  await bench.start([task], { burst: true, maxResultBytes: 1_000 }).done
  const { state, error } = await bench.read(id)
  expect([state, error?.name]).toEqual(['failed', 'TooLarge'])
})

test('an input that fails its schema fails for good and names the place, not the value', async () => {
  const task = defineTask({ name: 'mail', input: v.object({ to: v.number() }), run: () => 'sent' })
  const { record } = await runOnce(task, { to: 'secret@example.com' })
  expect([record.state, record.error?.name]).toEqual(['failed', 'InvalidInput'])
  expect(record.error?.message).toContain('to: ')
  expect(record.error?.message).not.toContain('secret')
})

test('the handler gets what the schema has made of the input, also an asynchronous one', async () => {
  const input = v.pipeAsync(
    v.string(),
    v.transformAsync(async (text) => text.length),
  )
  const { record } = await runOnce(defineTask({ name: 'length', input, run: (length) => length }), 'four')
  expect(record.result).toBe('4')
})

test('a handler over its time is left behind with its signal aborted, and the job tried again', async () => {
  const bench = createBench()
  let signal: AbortSignal | undefined
  const task = defineTask({
    name: 'slow',
    timeoutMs: 5_000,
    run(_input, job) {
      signal = job.signal
      return new Promise(() => {})
    },
  })
  const id = await bench.enqueue('slow')
  const worker = bench.start([task])
  await bench.reaches(id, 'active')
  await bench.clock.advance(4_999)
  expect(signal?.aborted).toBe(false)
  await bench.clock.advance(1)
  const { error, attempts } = await bench.reaches(id, 'retrying')
  expect([error?.name, attempts, signal?.aborted]).toEqual(['JobTimeout', 1, true])
  expect(signal?.reason).toMatchObject({ name: 'JobTimeout' })
  worker.stop({ graceMs: 0 })
  await worker.done
})

test('an onEvent that throws stops no worker and loses no job', async () => {
  const bench = createBench()
  const id = await bench.enqueue('quiet')
  const onEvent = () => {
    throw new Error('the log is full')
  }
  await bench.start([defineTask({ name: 'quiet', run: () => 1 })], { burst: true, onEvent }).done
  expect((await bench.read(id)).state).toBe('succeeded')
})

test('the time limit holds for what can be awaited without being a promise, too', async () => {
  const bench = createBench()
  // biome-ignore lint/suspicious/noThenProperty: that is the point
  const query = { then: () => {} }
  const task = defineTask({ name: 'query', timeoutMs: 1_000, retry: { maxAttempts: 1 }, run: () => query as unknown })
  const id = await bench.enqueue('query')
  bench.start([task])
  await bench.reaches(id, 'active')
  await bench.clock.advance(1_000)
  expect((await bench.reaches(id, 'failed')).error?.name).toBe('JobTimeout')
})

test.each([Number.MAX_SAFE_INTEGER, Number.MAX_VALUE])(
  'what is to be kept for ever is settled: %p ms',
  async (keepMs) => {
    const bench = createBench()
    const keep = { keepResultMs: keepMs, keepFailedMs: keepMs, retry: { maxAttempts: 1 } }
    const fine = defineTask({ name: 'fine', ...keep, run: () => 'done' })
    const broken = defineTask({
      name: 'broken',
      ...keep,
      run() {
        throw new Error('no')
      },
    })
    const ids = [await bench.enqueue('fine'), await bench.enqueue('broken')]
    bench.start([fine, broken])
    for (const [at, state] of (['succeeded', 'failed'] as const).entries())
      expect((await bench.reaches(ids[at] ?? '', state)).atMs).toBeLessThan(8.64e15)
  },
)

test('progress is bounded in bytes, not in characters', async () => {
  const { record } = await runOnce(
    defineTask({
      name: 'tell',
      retry: { maxAttempts: 1 },
      run: (_input, job) => job.progress('ø'.repeat(3_000)),
    }),
  )
  expect([record.state, record.error?.name]).toEqual(['failed', 'TooLarge'])
})
