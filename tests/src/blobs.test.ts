/** Inputs and results over the limit, kept in a store of the app's. */
import { expect, test } from 'bun:test'
import { type Blobs, blobOf, createClient, createWorker, defineApp, defineTask, type TqEvent } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import * as v from 'valibot'
import type { Broker } from '../../src/broker.ts'
import type { Job } from '../../src/job.ts'
import { createVirtualClock } from '../support/clock.ts'
import { flaky } from '../support/flaky-broker.ts'
import { seededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'

const LIMIT = 1_000
/** A text that is so many bytes long as JSON. */
const ofBytes = (bytes: number) => 'x'.repeat(bytes - 2)

const measure = defineTask({ name: 'measure', input: v.string(), run: (text) => text.length })
const echo = defineTask({ name: 'echo', retry: { maxAttempts: 2 }, run: (input) => input })
const tasks = [measure, echo] as const
const app = defineApp({ tasks })

/** A store in memory that says what it was asked for. */
function createMap() {
  const texts = new Map<string, string>()
  const puts: string[] = []
  const gets: string[] = []
  const blobs: Blobs = {
    put(key, text) {
      puts.push(key)
      texts.set(key, text)
    },
    get(key) {
      gets.push(key)
      return texts.get(key)
    },
  }
  return { texts, puts, gets, blobs }
}

function setUp(given: Partial<Blobs> = {}, wrap: (broker: Broker) => Broker = (broker) => broker) {
  const clock = createVirtualClock()
  const map = createMap()
  const sent: Job[] = []
  const events: TqEvent[] = []
  const store = sqliteBroker({ path: ':memory:', clock })
  const line = wrap(store)
  const broker: Broker = {
    ...line,
    enqueue(jobs, options) {
      sent.push(...jobs)
      return line.enqueue(jobs, options)
    },
  }
  const blobs = { ...map.blobs, ...given }
  const own = { clock, broker, random: () => 0.5, onEvent: (event: TqEvent) => void events.push(event) }
  const tq = createClient<typeof app>({ ...own, maxInputBytes: LIMIT, blobs })
  const work = (options: { blobs?: Blobs | undefined } = { blobs }) =>
    createWorker({ ...own, app, maxResultBytes: LIMIT, burst: true, ...options }).run()
  return { ...map, blobs, clock, broker: store, sent, events, tq, work }
}

const record = async (broker: Broker, id: string) => (await broker.get([id]))[0]

test('an input at the limit travels in its job, in the envelope that every worker knows', async () => {
  const { tq, sent, puts, work } = setUp()
  const job = await tq.enqueue('measure', ofBytes(LIMIT))
  expect([puts, sent[0]?.v, sent[0]?.input.length]).toEqual([[], undefined, LIMIT])
  await work()
  expect(await job.result()).toBe(LIMIT - 2)
})

test('an input one byte over the limit is kept in the blobs, and its handler gets it whole', async () => {
  const { tq, sent, texts, gets, work } = setUp()
  const job = await tq.enqueue('measure', ofBytes(LIMIT + 1))
  const { blob, bytes } = blobOf(sent[0]?.input ?? '') ?? {}
  expect(sent[0]?.input).toBe(`blob:${blob} ${LIMIT + 1}`)
  expect([sent[0]?.v, bytes, [...texts.keys()]]).toEqual([2, LIMIT + 1, [blob as string]])
  expect(blob).toMatch(/^input\/[0-9a-f]{64}$/)
  await work()
  expect([await job.result(), gets]).toEqual([LIMIT - 1, [blob as string]])
})

test('the limit counts bytes, not characters', async () => {
  const { tq, puts } = setUp()
  await tq.enqueue('measure', 'ü'.repeat(LIMIT / 2 - 1))
  expect(puts).toEqual([])
  await tq.enqueue('measure', `${'ü'.repeat(LIMIT / 2 - 1)}x`)
  expect(puts).toHaveLength(1)
})

test('a result one byte over the limit is kept in the blobs, and read by whoever waits for it', async () => {
  const { tq, broker, texts, puts, work } = setUp()
  const [fits, large] = [await tq.enqueue('echo', ofBytes(LIMIT)), await tq.enqueue('echo', ofBytes(LIMIT + 1))]
  await work()
  expect(puts.map((key) => key.split('/')[0])).toEqual(['input', 'result'])
  expect((await record(broker, fits.id))?.result).toHaveLength(LIMIT)
  const reference = blobOf((await record(broker, large.id))?.result ?? '')
  expect(texts.get(reference?.blob ?? '')).toHaveLength(LIMIT + 1)
  expect(await fits.result()).toBe(ofBytes(LIMIT))
  expect(await large.result()).toBe(ofBytes(LIMIT + 1))
})

test('many jobs at once have their large inputs stored before any of them is enqueued', async () => {
  const { tq, sent, puts } = setUp()
  const jobs = await tq.enqueueMany([1, 2, 3].map((at) => ({ task: 'measure', input: `${at}${ofBytes(LIMIT)}` })))
  expect([jobs.length, sent.length, new Set(puts).size]).toEqual([3, 3, 3])

  let asked = 0
  const broken = setUp({
    put() {
      asked++
      throw new TypeError('no bucket')
    },
  })
  const many = broken.tq.enqueueMany([{ task: 'echo' }, { task: 'measure', input: ofBytes(LIMIT + 1) }])
  many.catch(() => {})
  await until('the store to be asked', () => asked === 1)
  for (let second = 0; second < 30; second++) await broken.clock.advance(1_000)
  await expect(many).rejects.toMatchObject({ name: 'BlobsUnavailable', call: 'put', retryable: true })
  expect(broken.sent).toEqual([])
})

test('the same enqueue sent again puts the same key and is one job; another input is a conflict that harms nothing', async () => {
  const { tq, puts, work } = setUp()
  const first = await tq.enqueue('measure', ofBytes(2_000), { id: 'a' })
  const again = await tq.enqueue('measure', ofBytes(2_000), { id: 'a' })
  expect([first.created, again.created, new Set(puts).size]).toEqual([true, false, 1])
  await expect(tq.enqueue('measure', ofBytes(3_000), { id: 'a' })).rejects.toMatchObject({ name: 'JobConflict' })
  await work()
  expect(await first.result()).toBe(1_998)
})

test('the same input of two jobs is two blobs', async () => {
  const { tq, puts } = setUp()
  await tq.enqueue('measure', ofBytes(2_000), { id: 'a' })
  await tq.enqueue('measure', ofBytes(2_000), { id: 'b' })
  expect(new Set(puts).size).toBe(2)
})

test.each([1, 2, 3])('a bad line makes no second job of a blob (seed %d)', async (seed) => {
  const lossy = (broker: Broker) => flaky(broker, { random: seededRandom(seed), lose: 0.4, repeat: 0.3, late: 0.3 })
  const { tq, clock, broker, puts } = setUp({}, lossy)
  const enqueued = Promise.all(Array.from({ length: 20 }, (_, at) => tq.enqueue('measure', ofBytes(2_000 + at))))
  // A digest is worked out beside us, and takes as long as it takes.
  while (puts.length < 20) await new Promise((resolve) => setImmediate(resolve))
  for (let second = 0; second < 20; second++) await clock.advance(1_000)
  expect(new Set((await enqueued).map(({ id }) => id)).size).toBe(20)
  expect((await broker.stats()).queues[0]?.counts).toEqual({ queued: 20 })
})

test('who enqueues a text that looks like a reference gets that very text, and nobody’s blob', async () => {
  const { tq, sent, gets, work } = setUp()
  await tq.enqueue('measure', ofBytes(2_000))
  const reference = sent[0]?.input ?? ''
  const forged = await tq.enqueue('echo', reference)
  await work()
  expect([await forged.result(), gets.length]).toEqual([reference, 1])
})

test('a reference in the envelope of before is no reference, and one to another job’s blob is refused', async () => {
  const { tq, broker, sent, gets, work } = setUp()
  await tq.enqueue('measure', ofBytes(2_000))
  const stolen = { ...(sent[0] as Job), task: 'echo' }
  await broker.enqueue([
    { ...stolen, id: 'old', v: 1 },
    { ...stolen, id: 'other' },
  ])
  await work()
  expect(gets).toHaveLength(2)
  expect((await record(broker, 'old'))?.result).toBeNull()
  expect(await record(broker, 'other')).toMatchObject({
    state: 'failed',
    attempts: 1,
    error: { name: 'BlobGone', message: expect.stringContaining('got another text') },
  })
})

test('without blobs a large input and a large result are refused, and the error says what would take them', async () => {
  const { tq, broker, clock, sent, work } = setUp()
  const bare = createClient({ broker, clock, maxInputBytes: LIMIT })
  const refused = { name: 'TooLarge', gotBytes: LIMIT + 1, message: expect.stringContaining('blobs') }
  await expect(bare.enqueue('measure', ofBytes(LIMIT + 1))).rejects.toMatchObject(refused)
  expect(sent).toEqual([])
  const job = await tq.enqueue('echo', ofBytes(LIMIT))
  await createWorker({ app, broker, clock, maxResultBytes: LIMIT - 1, burst: true }).run()
  expect(await job.get()).toMatchObject({ state: 'failed', error: { name: 'TooLarge' } })
  expect((await work()).succeeded).toBe(0)
})

test('a worker without blobs puts the job back, uncounted, for one that has them', async () => {
  const { tq, broker, clock, events, work } = setUp()
  const job = await tq.enqueue('measure', ofBytes(2_000))
  expect(await work({ blobs: undefined })).toMatchObject({ released: 1, failed: 0 })
  expect(await record(broker, job.id)).toMatchObject({ state: 'scheduled', attempts: 0 })
  expect(events.filter(({ kind }) => kind === 'job.released')).toMatchObject([
    { reason: 'its input is a blob, and this worker has no blobs', delayMs: 1_000 },
  ])
  await clock.advance(1_000)
  await work()
  expect(await job.result()).toBe(1_998)
})

test('a worker takes the blobs of its app', async () => {
  const { tq, broker, clock, blobs } = setUp()
  const job = await tq.enqueue('measure', ofBytes(2_000))
  await createWorker({ app: defineApp({ tasks, blobs }), broker, clock, burst: true }).run()
  expect(await job.result()).toBe(1_998)
})

test('a client without blobs is told that it needs them to read a result', async () => {
  const { tq, broker, clock, work } = setUp()
  const { id } = await tq.enqueue('echo', ofBytes(2_000))
  await work()
  const bare = createClient({ broker, clock }).job(id)
  await expect(bare.result()).rejects.toMatchObject({ name: 'Unsupported', message: expect.stringContaining('blobs') })
})

test('an input that is gone fails its job for good; a result that is gone says so', async () => {
  const { tq, broker, texts, work } = setUp()
  const [early, late] = [await tq.enqueue('echo', ofBytes(2_000)), await tq.enqueue('echo', ofBytes(3_000))]
  texts.delete(blobOf((await record(broker, early.id))?.input ?? '')?.blob ?? '')
  await work()
  expect(await record(broker, early.id)).toMatchObject({ state: 'failed', attempts: 1, error: { name: 'BlobGone' } })
  texts.clear()
  await expect(late.result()).rejects.toMatchObject({ name: 'BlobGone', key: expect.stringMatching(/^result\//) })
})

test('a store that is away is asked again, and then fails the attempt, not the job', async () => {
  let asked = 0
  const get = () => {
    asked++
    throw new TypeError('connect to https://key:secret@bucket refused')
  }
  const { tq, broker, clock, work } = setUp({ get })
  const job = await tq.enqueue('echo', ofBytes(2_000))
  const worked = work()
  await until('the store to be asked', () => asked === 1)
  for (let second = 0; second < 30; second++) await clock.advance(1_000)
  expect(await worked).toMatchObject({ retried: 1 })
  expect(asked).toBeGreaterThan(5)
  const { state, error } = (await record(broker, job.id)) ?? {}
  expect([state, error?.name]).toEqual(['retrying', 'BlobsUnavailable'])
  expect(JSON.stringify(error)).not.toContain('secret')
})

test('a store that never answers is an outage after half a minute, and holds no job for ever', async () => {
  let asked = 0
  const get = () => {
    asked++
    return new Promise<string>(() => {})
  }
  const { tq, broker, clock, work } = setUp({ get })
  const job = await tq.enqueue('echo', ofBytes(2_000))
  const worked = work()
  await until('the store to be asked', () => asked === 1)
  for (let second = 0; second < 40; second++) await clock.advance(1_000)
  await worked
  expect(await record(broker, job.id)).toMatchObject({ state: 'retrying', error: { name: 'BlobsUnavailable' } })
})

test('a job that goes back to its queue while its input is fetched does not start', async () => {
  let asked = 0
  let answer: (text: string) => void = () => {}
  const get = () => {
    asked++
    return new Promise<string>((resolve) => {
      answer = resolve
    })
  }
  const { tq, broker, clock, texts, blobs } = setUp({ get })
  let started = 0
  const task = defineTask({ name: 'echo', run: () => started++ })
  const job = await tq.enqueue('echo', ofBytes(2_000))
  const worker = createWorker({ app: defineApp({ tasks: [task] }), broker, clock, blobs })
  const done = worker.run()
  await until('the store to be asked', () => asked === 1)
  worker.stop({ graceMs: 0 })
  await done
  answer([...texts.values()][0] ?? '')
  for (let digest = 0; digest < 3; digest++) await crypto.subtle.digest('SHA-256', new Uint8Array(2_000))
  await clock.advance(1_000)
  expect([started, (await record(broker, job.id))?.state]).toEqual([0, 'queued'])
})

test('within a transaction there is no waiting for blobs: a large input is refused, and nothing is put', async () => {
  const { tq, puts } = setUp()
  const enqueued = tq.enqueue('measure', ofBytes(LIMIT + 1), { within: {} })
  await expect(enqueued).rejects.toMatchObject({ name: 'TooLarge' })
  expect(puts).toEqual([])
})

test('ids of any form make keys that any store takes', async () => {
  const { tq, puts, work } = setUp()
  const job = await tq.enqueue('measure', ofBytes(2_000), { id: '../../etc/passwd ?ü 日本' })
  expect(puts[0]).toMatch(/^input\/[0-9a-f]{64}$/)
  await work()
  expect(await job.result()).toBe(1_998)
})
