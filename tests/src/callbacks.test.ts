/** Callbacks as a worker sends them: what a receiver gets, and what becomes of one that does not take it. */
import { expect, test } from 'bun:test'
import { Webhook } from 'standardwebhooks'
import {
  createClient,
  defineApp,
  defineTask,
  drain,
  type JobContext,
  NonRetryable,
  type SendCallbacksOptions,
  sendCallbacks,
} from 'tq-edge'
import { flaky } from '../support/flaky-broker.ts'
import { seededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'
import { createBench, type WorkerBench } from '../support/worker-bench.ts'

const OLD = `whsec_${btoa('the old secret, of 30 bytes ..')}`
const NEW = `whsec_${btoa('the new secret, of 30 bytes ..')}`
const URL_SECRET = 'token-in-the-url'
const HOOK = `https://hooks.test/jobs?token=${URL_SECRET}`
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

const sums = defineTask({
  name: 'sum',
  retry: { maxAttempts: 1 },
  run: (numbers) => (numbers as number[]).reduce((a, b) => a + b),
})
const broken = defineTask({
  name: 'broken',
  run: () => {
    throw new NonRetryable('no such account')
  },
})

interface Received {
  readonly url: string
  readonly method: string
  readonly headers: Headers
  readonly body: string
  readonly redirect: string
}

/** Somebody who is told, and answers what the test says. */
function createReceiver(answer: (request: Request) => Response | Promise<Response> = () => new Response('thanks')) {
  const received: Received[] = []
  const awaited: { readonly count: number; readonly resolve: () => void }[] = []
  return {
    received,
    async fetch(request: Request) {
      const { url, method, headers, redirect } = request
      received.push({ url, method, headers, redirect, body: await request.clone().text() })
      for (const { count, resolve } of awaited) if (received.length >= count) resolve()
      return answer(request)
    },
    /** Signatures are made on threads of their own, which no turn of the event loop waits for. */
    got: (count: number) =>
      new Promise<void>((resolve) => {
        awaited.push({ count, resolve })
        if (received.length >= count) resolve()
      }),
    payloads: () => received.map(({ body }) => JSON.parse(body)),
  }
}

type Receiver = ReturnType<typeof createReceiver>

const sender = (receiver: Receiver, given: Partial<SendCallbacksOptions> = {}) =>
  sendCallbacks({ secret: NEW, fetch: receiver.fetch, ...given })

interface Scene extends WorkerBench {
  enqueueTold(task: string, input?: unknown, id?: string): Promise<string>
}

function createScene(): Scene {
  const bench = createBench()
  const client = createClient({ broker: bench.broker, clock: bench.clock })
  return {
    ...bench,
    enqueueTold: async (task, input, id = 'job') =>
      (await client.enqueue(task, input, { id, onSuccess: HOOK, onFailure: HOOK })).id,
  }
}

/** Runs a job and its callback, until the callback is in that state. */
async function tell(
  scene: Scene,
  receiver: Receiver,
  state: 'succeeded' | 'failed' | 'retrying',
  given: Partial<SendCallbacksOptions> = {},
) {
  await scene.enqueueTold('sum', [1, 2])
  const worker = scene.start([sums, broken], { callbacks: sender(receiver, given) })
  await receiver.got(1)
  return { worker, callback: await scene.reaches('job:onSuccess:1', state) }
}

test('a receiver is told by a POST that Standard Webhooks verifies', async () => {
  const scene = createScene()
  const receiver = createReceiver()
  const { callback } = await tell(scene, receiver, 'succeeded')
  const [{ url, method, headers, body, redirect }] = receiver.received as [Received]
  expect([url, method, redirect, headers.get('content-type')]).toEqual([HOOK, 'POST', 'manual', 'application/json'])
  expect(JSON.parse(body)).toEqual({
    type: 'job.succeeded',
    timestamp: new Date(scene.clock.now()).toISOString(),
    data: {
      id: 'job',
      task: 'sum',
      queue: 'default',
      state: 'succeeded',
      attempts: 1,
      createdAtMs: scene.clock.now(),
      finishedAtMs: scene.clock.now(),
      result: 3,
    },
  })
  const id = headers.get('webhook-id') ?? ''
  expect(id).toMatch(/^msg_[\w-]{24}$/)
  expect(headers.get('webhook-timestamp')).toBe(String(Math.floor(scene.clock.now() / 1_000)))
  expect(headers.get('webhook-signature')).toBe(new Webhook(NEW).sign(id, new Date(scene.clock.now()), body))
  expect(callback.result).toBe('{"status":200}')
})

test('while a secret is replaced, each of them signs', async () => {
  const receiver = createReceiver()
  await tell(createScene(), receiver, 'succeeded', { secret: [NEW, undefined, OLD] })
  const [{ headers, body }] = receiver.received as [Received]
  const at = new Date(Number(headers.get('webhook-timestamp')) * 1_000)
  const signed = [NEW, OLD].map((secret) => new Webhook(secret).sign(headers.get('webhook-id') ?? '', at, body))
  expect(headers.get('webhook-signature')).toBe(signed.join(' '))
})

test('a failure is told with its error, without the stack', async () => {
  const scene = createScene()
  const receiver = createReceiver()
  await scene.enqueueTold('broken', null)
  scene.start([broken], { callbacks: sender(receiver) })
  await receiver.got(1)
  const [{ type, data }] = receiver.payloads()
  expect([type, data.state, data.attempts]).toEqual(['job.failed', 'failed', 1])
  expect(data.error).toEqual({ name: 'NonRetryable', message: 'no such account' })
  expect('result' in data).toBe(false)
})

test('a task says who is told of its jobs; a job that says so itself tells that one instead', async () => {
  const scene = createScene()
  const receiver = createReceiver()
  const telling = defineTask({
    name: 'telling',
    onSuccess: 'https://task.test/done',
    onFailure: 'https://task.test/broken',
    run: () => 'done',
  })
  const failing = defineTask({ name: 'failing', onFailure: 'https://task.test/broken', run: broken.run })
  const client = createClient({ broker: scene.broker, clock: scene.clock })
  await client.enqueue('telling', null, { id: 'a' })
  await client.enqueue('telling', null, { id: 'b', onSuccess: HOOK })
  await client.enqueue('failing', null, { id: 'c' })
  scene.start([telling, failing], { callbacks: sender(receiver), concurrency: 1 })
  await receiver.got(3)
  const told = receiver.received.map(({ url, body }) => [JSON.parse(body).data.id, url])
  expect(told.sort()).toEqual([
    ['a', 'https://task.test/done'],
    ['b', HOOK],
    ['c', 'https://task.test/broken'],
  ])
})

test('one that is not taken is sent again for three days, with one id and a new signature, then kept for replay', async () => {
  const scene = createScene()
  const receiver = createReceiver(() => new Response('no', { status: 500 }))
  const work = () => scene.start([sums], { callbacks: sender(receiver), burst: true }).done
  await scene.enqueueTold('sum', [1, 2])
  await work()
  const delaysMs: number[] = []
  for (let attempt = 2; attempt <= 10; attempt++) {
    const { atMs } = await scene.read('job:onSuccess:1')
    delaysMs.push((atMs ?? 0) - scene.clock.now())
    await scene.clock.advance((atMs ?? 0) - scene.clock.now())
    await work()
  }
  // 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 h, each with half of its spread of a tenth.
  const delaysS = delaysMs.map((ms) => ms / 1.05 / 1_000)
  expect(delaysS).toEqual([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400])
  const { error, attempts, state, epoch } = await scene.read('job:onSuccess:1')
  expect([state, attempts, error?.name]).toEqual(['failed', 10, 'CallbackFailed'])
  expect(error?.message).toBe('expected status 2xx from https://hooks.test, got status 500')
  expect(new Set(receiver.received.map(({ headers }) => headers.get('webhook-id'))).size).toBe(1)
  expect(new Set(receiver.received.map(({ headers }) => headers.get('webhook-signature'))).size).toBe(10)
  await scene.broker.retry([{ id: 'job:onSuccess:1', epoch }])
  await work()
  expect(receiver.received.length).toBe(11)
})

test('a receiver that is gone for good is not told again', async () => {
  const receiver = createReceiver(() => new Response(null, { status: 410 }))
  const { callback } = await tell(createScene(), receiver, 'failed')
  expect([callback.attempts, callback.error?.message]).toEqual([
    1,
    'expected status 2xx from https://hooks.test, got status 410',
  ])
})

test.each([
  [429, '120', 120_000],
  [503, '7', 7_000],
  [503, '0', 1_000],
  [429, '99999999', 24 * HOUR_MS],
  [429, 'soon', 5_250],
  [500, null, 5_250],
])('a receiver that answers %p with Retry-After %p is told again in %p ms', async (status, after, delayMs) => {
  const scene = createScene()
  const receiver = createReceiver(() => new Response(null, { status, headers: after ? { 'Retry-After': after } : {} }))
  const { callback } = await tell(scene, receiver, 'retrying')
  expect((callback.atMs ?? 0) - scene.clock.now()).toBe(delayMs)
})

test('Retry-After may be a date', async () => {
  const scene = createScene()
  const date = new Date(scene.clock.now() + 2 * MINUTE_MS).toUTCString()
  const receiver = createReceiver(() => new Response(null, { status: 503, headers: { 'Retry-After': date } }))
  const { callback } = await tell(scene, receiver, 'retrying')
  expect(Math.abs((callback.atMs ?? 0) - scene.clock.now() - 2 * MINUTE_MS)).toBeLessThanOrEqual(1_000)
})

test.each([301, 302, 307, 308])('a redirect (%p) is not followed', async (status) => {
  const receiver = createReceiver(
    () => new Response(null, { status, headers: { Location: 'https://hooks.test/next' } }),
  )
  const { callback } = await tell(createScene(), receiver, 'retrying')
  expect(callback.error?.message).toBe('expected status 2xx from https://hooks.test, got a redirect')
  expect(receiver.received.length).toBe(1)
})

test('a receiver has 15 s, then the request is aborted', async () => {
  const scene = createScene()
  let signal: AbortSignal | undefined
  const receiver = createReceiver((request) => {
    signal = request.signal
    return new Promise((_, reject) => request.signal.addEventListener('abort', () => reject(request.signal.reason)))
  })
  await scene.enqueueTold('sum', [1, 2])
  scene.start([sums], { callbacks: sender(receiver) })
  await receiver.got(1)
  await scene.clock.advance(14_999)
  expect(signal?.aborted).toBe(false)
  await scene.clock.advance(1)
  expect(signal?.aborted).toBe(true)
  expect((await scene.reaches('job:onSuccess:1', 'retrying')).error?.name).toBe('JobTimeout')
})

test('an answer is not read, however long it is', async () => {
  let pulled = 0
  let cancelled = false
  const endless = new ReadableStream({
    pull: (controller) => {
      pulled++
      controller.enqueue(new Uint8Array(1_000))
    },
    cancel: () => {
      cancelled = true
    },
  })
  await tell(
    createScene(),
    createReceiver(() => new Response(endless)),
    'succeeded',
  )
  expect(cancelled).toBe(true)
  expect(pulled).toBeLessThanOrEqual(2)
})

test('a result that is too large is left out: a payload has at most 20 KB', async () => {
  const scene = createScene()
  const receiver = createReceiver()
  const long = defineTask({ name: 'long', run: (chars) => 'é'.repeat(chars as number) })
  await scene.enqueueTold('long', 9_800, 'fits')
  await scene.enqueueTold('long', 10_000, 'too-long')
  scene.start([long], { callbacks: sender(receiver) })
  await receiver.got(2)
  const of = (id: string) => receiver.payloads().find(({ data }) => data.id === id).data
  expect(of('fits').result.length).toBe(9_800)
  expect([of('too-long').state, of('too-long').omitted, 'result' in of('too-long')]).toEqual([
    'succeeded',
    'too large',
    false,
  ])
  for (const { body } of receiver.received) expect(new TextEncoder().encode(body).length).toBeLessThanOrEqual(20_000)
})

test('a record that is no longer kept, or is of another run by now, is told of by its id alone', async () => {
  const scene = createScene()
  const receiver = createReceiver()
  const expiring = defineTask({ name: 'sum', keepResultMs: MINUTE_MS, run: sums.run })
  await scene.enqueueTold('sum', [1, 2], 'gone')
  const first = scene.start([expiring], { burst: true })
  await first.done
  await scene.clock.advance(MINUTE_MS)
  scene.start([], { callbacks: sender(receiver) })
  await receiver.got(1)
  const endedAtMs = scene.clock.now() - MINUTE_MS
  expect(receiver.payloads()).toEqual([
    {
      type: 'job.succeeded',
      timestamp: new Date(endedAtMs).toISOString(),
      data: { id: 'gone', omitted: 'no longer kept' },
    },
  ])
})

test('a job that was replayed is told of once more, and the first time says nothing of the second run', async () => {
  const scene = createScene()
  const receiver = createReceiver()
  await scene.enqueueTold('broken', null)
  await scene.start([broken], { burst: true }).done
  const { epoch } = await scene.read('job')
  await scene.broker.retry([{ id: 'job', epoch }])
  await scene.start([defineTask({ name: 'broken', run: () => 'mended' })], { burst: true }).done
  await scene.clock.advance(MINUTE_MS)
  await scene.start([], { callbacks: sender(receiver), burst: true }).done
  const told = receiver.payloads().map(({ type, data }) => [type, data.result ?? data.omitted])
  expect(told.sort()).toEqual([
    ['job.failed', 'no longer kept'],
    ['job.succeeded', 'mended'],
  ])
})

test('a worker without a secret puts callbacks back, says why, and leaves them to one that has it', async () => {
  const scene = createScene()
  const receiver = createReceiver()
  await scene.enqueueTold('sum', [1, 2])
  const without = scene.start([sums])
  await until('it to be put back', () => scene.said('job.released').length === 1)
  expect(scene.said('job.released')[0]?.reason).toBe('this worker has no secret to sign callbacks with')
  expect((await scene.read('job:onSuccess:1')).attempts).toBe(0)
  without.stop()
  await without.done
  await scene.clock.advance(MINUTE_MS)
  await scene.start([], { callbacks: sender(receiver), burst: true }).done
  expect((await scene.read('job:onSuccess:1')).state).toBe('succeeded')
  expect(receiver.received.length).toBe(1)
})

test('a drain sends them as well', async () => {
  const scene = createScene()
  const receiver = createReceiver()
  await scene.enqueueTold('sum', [1, 2])
  const { broker, clock } = scene
  const { ran } = await drain(defineApp({ tasks: [sums] }), { broker, clock, callbacks: sender(receiver) })
  expect([ran, receiver.payloads()[0].data.result]).toEqual([2, 3])
})

async function sendsTo(url: string, state: 'succeeded' | 'failed', given: Partial<SendCallbacksOptions> = {}) {
  const scene = createScene()
  const receiver = createReceiver()
  await createClient({ broker: scene.broker, clock: scene.clock }).enqueue('sum', [1], { id: 'job', onSuccess: url })
  scene.start([sums], { callbacks: sender(receiver, given) })
  if (state === 'succeeded') await receiver.got(1)
  await until('a callback', async () => (await scene.broker.get(['job:onSuccess:1']))[0] !== null)
  return { receiver, callback: await scene.reaches('job:onSuccess:1', state) }
}

test.each([
  'https://127.0.0.1/x',
  'https://169.254.169.254/latest',
  'https://[fd00::1]/',
  'https://localhost/',
  'http://hooks.test/',
])('nothing is sent to %s, and it fails at once', async (url) => {
  const { receiver, callback } = await sendsTo(url, 'failed')
  expect(receiver.received).toEqual([])
  expect([callback.attempts, callback.error?.name]).toEqual([1, 'AddressRefused'])
  expect((await sendsTo(url, 'succeeded', { allowHosts: [new URL(url).hostname] })).receiver.received.length).toBe(1)
})

test('no event and no error has a secret, the rest of the address or what was sent', async () => {
  const scene = createScene()
  await scene.enqueueTold('sum', [41, 1])
  const receiver = createReceiver(({ url }) => Promise.reject(new Error(`connect to ${url} refused`)))
  scene.start([sums], { callbacks: sender(receiver) })
  await receiver.got(1)
  const { error } = await scene.reaches('job:onSuccess:1', 'retrying')
  expect(error?.message).toBe('expected status 2xx from https://hooks.test, got no answer')
  const said = JSON.stringify([error, scene.events])
  for (const secret of [URL_SECRET, NEW, NEW.slice(6), 'job.succeeded","timestamp']) expect(said).not.toContain(secret)
})

test('nobody enqueues or defines a callback: it would tell how any job has ended', async () => {
  const scene = createScene()
  const client = createClient({ broker: scene.broker })
  const attempt = () => client.enqueue('tq.callback', 'https://evil.test/', { id: 'victim:onSuccess:1' })
  await expect(attempt()).rejects.toMatchObject({ name: 'InvalidOption' })
  expect(() => defineTask({ name: 'tq.callback', run: () => {} })).toThrow('expected the name of a task')
})

test('a job of its task that no broker has made sends nothing', async () => {
  const scene = createScene()
  const receiver = createReceiver()
  const forged = { task: 'tq.callback', queue: 'default', priority: 0, createdAtMs: 0 }
  await scene.broker.enqueue([
    { ...forged, id: 'by-hand', input: JSON.stringify(HOOK) },
    { ...forged, id: 'job:onSuccess:1', input: '{"url":"https://hooks.test/"}' },
    { ...forged, id: 'job:onSuccess:2', input: '"https://me:secret@hooks.test/"' },
    { ...forged, id: 'job:onSuccess:3', input: '"https://hooks.test:99999/"' },
  ])
  scene.start([], { callbacks: sender(receiver) })
  for (const id of ['by-hand', 'job:onSuccess:1', 'job:onSuccess:2', 'job:onSuccess:3'])
    expect((await scene.reaches(id, 'failed')).attempts).toBe(1)
  expect(receiver.received).toEqual([])
})

test.each([
  'ftp://hooks.test/',
  'https://user:password@hooks.test/',
  'hooks.test',
  '/hook',
  'javascript:alert(1)',
  `https://hooks.test/${'a'.repeat(2_000)}`,
  `https://hooks.test/${'é'.repeat(700)}`,
])('%.40s is no callback', async (url) => {
  const client = createClient({ broker: createScene().broker })
  await expect(client.enqueue('sum', [], { onSuccess: url })).rejects.toThrow('expected onSuccess to be an address')
  expect(() => defineTask({ name: 'sum', onFailure: url, run: () => {} })).toThrow('expected onFailure of "sum" to be')
})

test('an address is told as it is, whatever characters it has', async () => {
  const { receiver } = await sendsTo('https://hooks.test/a b?q="x"|\\é&r={}\'`', 'succeeded')
  expect(receiver.received[0]?.url).toBe("https://hooks.test/a%20b?q=%22x%22%7C%5C%C3%A9&r={}'`".replaceAll("'", '%27'))
})

const NO_SECRETS = [undefined, [], '', 'whsec_', 'a-secret', `whsec_${btoa('short')}`, [NEW, 'whsec_!'], OLD.slice(6)]

test.each(NO_SECRETS.map((secret) => [secret]))('a secret that is none is refused (%#)', (secret) => {
  expect(() => sendCallbacks({ secret })).toThrow('expected the secret of callbacks to be whsec_')
})

test('a network that loses and repeats everything makes one callback for each end', async () => {
  const scene = createScene()
  const told = new Set<string>()
  for (let at = 0; at < 20; at++) await scene.enqueueTold(at % 2 ? 'sum' : 'broken', [at], `job-${at}`)
  const bad = flaky(scene.broker, { random: seededRandom(6) })
  const callbacks = () => ({ ...sums, name: 'tq.callback', run: (_: unknown, { id }: JobContext) => void told.add(id) })
  const worker = scene.start([sums, broken], { broker: bad, callbacks })
  await until('all to be told', async () => {
    await scene.clock.advance(1_000)
    return told.size === 20
  })
  worker.stop()
  await scene.clock.advance(MINUTE_MS)
  await bad.deliverLate()
  expect(bad.faults.lostReplies).toBeGreaterThan(0)
  expect((await scene.broker.list({ task: 'tq.callback', limit: 100 })).jobs.length).toBe(20)
})
