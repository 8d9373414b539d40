import { expect, test } from 'bun:test'
import { BrokerUnavailable } from 'tq-edge'
import { VIRTUAL_START_MS } from '../support/clock.ts'
import { aJob, setUp } from './support.ts'

interface Answer {
  readonly jobs: readonly { readonly id: string; readonly epoch: number; readonly input: unknown }[]
  readonly late: readonly string[]
  readonly cancelled: readonly string[]
}

/** One lane over HTTP, which numbers its exchanges. */
function lane(setup: ReturnType<typeof setUp>, name = 'py.1.0') {
  let seq = 0
  const send = (body: object = {}) => setup.post('/v1/exchange', { lane: name, seq, ...body })
  return {
    send,
    exchange: async (body: object = {}): Promise<Answer> => {
      seq++
      const response = await send(body)
      expect([response.status, response.status === 200 ? '' : await response.clone().text()]).toEqual([200, ''])
      return (await response.json()) as Answer
    },
  }
}

const PRESENCE = { worker: 'w', queues: ['default'], concurrency: 1, running: 0, runtime: 'python', startedAtMs: 0 }

const problem = async (response: Response) => {
  const { type, errors, ...rest } = (await response.json()) as { type: string; errors?: { path: string }[] }
  return { ...rest, type: type.replace('urn:tq:problem:', ''), paths: errors?.map(({ path }) => path) }
}

test('a worker without an SDK claims a job, with its input as a value', async () => {
  const setup = setUp()
  await setup.broker.enqueue([aJob('a', { input: '{"to":["Ada"]}' })])
  expect(await lane(setup).exchange({ want: 5 })).toEqual<unknown>({
    nowMs: VIRTUAL_START_MS,
    jobs: [
      {
        ...{ v: 1, id: 'a', epoch: 1, task: 'anything', queue: 'default', attempt: 1, lost: 0, createdAtMs: 0 },
        ...{ tick: null, input: { to: ['Ada'] }, inputBlob: null },
      },
    ],
    late: [],
    cancelled: [],
    nextAtMs: expect.any(Number),
  })
})

test('with a lane and a number alone nothing is claimed', async () => {
  const setup = setUp()
  await setup.broker.enqueue([aJob('a')])
  expect((await lane(setup).exchange()).jobs).toEqual([])
})

const ERROR = { name: 'ValueError', message: 'as told' }

test.each([
  [
    'succeeded',
    { result: { sum: 3 } },
    { state: 'succeeded', result: '{"sum":3}', atMs: VIRTUAL_START_MS + 3_600_000 },
  ],
  ['succeeded', { result: null }, { state: 'succeeded', result: 'null' }],
  ['succeeded', {}, { state: 'succeeded', result: '' }],
  [
    'succeeded',
    { result: 'blob:input/1 2', keepMs: 5_000 },
    { result: '"blob:input/1 2"', atMs: VIRTUAL_START_MS + 5_000 },
  ],
  ['retry', { delayMs: 1_999.6, error: ERROR }, { state: 'retrying', error: ERROR, atMs: VIRTUAL_START_MS + 2_000 }],
  ['failed', { error: { message: 'as told' } }, { state: 'failed', error: { name: 'Error', message: 'as told' } }],
  ['cancelled', {}, { state: 'cancelled' }],
  ['released', {}, { state: 'queued', attempts: 0 }],
])('a claimed job is settled as %s with %p', async (kind, more, expected) => {
  const setup = setUp()
  const worker = lane(setup)
  await setup.broker.enqueue([aJob('a')])
  const [job] = (await worker.exchange({ want: 1 })).jobs
  const reply = await worker.exchange({ settle: [{ kind, id: job?.id, epoch: job?.epoch, ...more }] })
  expect(reply.late).toEqual([])
  expect((await setup.broker.get(['a']))[0]).toMatchObject(expected)
})

test('a lease is extended with its progress, and its worker hears of a cancellation and of what came too late', async () => {
  const setup = setUp()
  const worker = lane(setup)
  await setup.broker.enqueue([aJob('a')])
  await worker.exchange({ want: 1, leaseMs: 10_000 })
  await setup.clock.advance(8_000)
  await setup.broker.cancel(['a'])
  const extended = await worker.exchange({ extend: [{ id: 'a', epoch: 1, progress: { done: 0.5 } }], leaseMs: 10_000 })
  expect(extended).toMatchObject({ late: [], cancelled: ['a'] })
  expect((await setup.broker.get(['a']))[0]).toMatchObject({ state: 'active', progress: '{"done":0.5}' })
  const late = await worker.exchange({ settle: [{ kind: 'succeeded', id: 'a', epoch: 0 }] })
  expect(late.late).toEqual(['a'])
})

test('an exchange that is sent again is answered the same, and an older one says where the lane is', async () => {
  const setup = setUp()
  const worker = lane(setup)
  await setup.broker.enqueue([aJob('a'), aJob('b')])
  const first = await worker.exchange({ want: 1 })
  expect(await (await worker.send({ want: 1 })).json()).toEqual(first)
  await worker.exchange()
  const stale = await setup.post('/v1/exchange', { lane: 'py.1.0', seq: 1, want: 1 })
  expect([stale.status, await problem(stale)]).toMatchObject([409, { type: 'stale-exchange', expectedSeq: 2 }])
})

test('an exchange whose reply from the broker is lost is sent again, not answered with an error', async () => {
  let lost = 1
  const setup = setUp({
    wrap: (broker) => ({
      async exchange(request) {
        const reply = await broker.exchange(request)
        if (lost-- > 0) throw new BrokerUnavailable('test', 'a lost reply')
        return reply
      },
    }),
  })
  await setup.broker.enqueue([aJob('a')])
  const pending = lane(setup).exchange({ want: 1 })
  await setup.clock.advance(1_000)
  expect((await pending).jobs.map(({ id }) => id)).toEqual(['a'])
})

test('with texts, JSON travels as the broker keeps it: no number is rounded, and nothing is not null', async () => {
  const setup = setUp()
  const worker = lane(setup)
  const input = '{"n":12345678901234567890}'
  await setup.broker.enqueue([aJob('a', { input }), aJob('b')])
  const { jobs } = await worker.exchange({ want: 2, texts: true })
  expect(jobs.map((job) => job.input)).toEqual([input, ''])
  await worker.exchange({ texts: true, settle: [{ kind: 'succeeded', id: 'a', epoch: 1, result: input }] })
  expect((await setup.broker.get(['a']))[0]?.result).toBe(input)
})

const BLOB = `blob:input/${'0'.repeat(64)} 2000000`

test('a job whose input is a blob is told so: its worker fetches it, or gives the job back', async () => {
  const setup = setUp()
  await setup.broker.enqueue([aJob('a', { v: 2, input: BLOB })])
  const [job] = (await lane(setup).exchange({ want: 1 })).jobs
  expect(job).toMatchObject({ input: null, inputBlob: { blob: `input/${'0'.repeat(64)}`, bytes: 2_000_000 } })
})

test.each<[string, object, string]>([
  ['no lane', { lane: undefined }, 'lane'],
  ['no number', { seq: 0 }, 'seq'],
  ['more jobs than a batch', { want: 1_001 }, 'want'],
  ['no queue', { queues: [] }, 'queues'],
  ['a queue that is none', { queues: ['\u0000'] }, 'queues.0'],
  ['a lease of an instant', { leaseMs: 1 }, 'leaseMs'],
  ['a wait, which is for those who can be hinted', { waitMs: 5 }, 'waitMs'],
  ['a worker whose name plays with a terminal', { presence: { ...PRESENCE, worker: 'w\u001b[2J' } }, 'presence.worker'],
  ['a runtime in two lines', { presence: { ...PRESENCE, runtime: 'bun\nw' } }, 'presence.runtime'],
  ['another kind of end', { settle: [{ kind: 'done', id: 'a', epoch: 1 }] }, 'settle.0.kind'],
  ['an end without an error', { settle: [{ kind: 'failed', id: 'a', epoch: 1 }] }, 'settle.0.error'],
  ['too many ends', { settle: Array.from({ length: 1_001 }, () => 1) }, 'settle'],
  [
    'text that is no JSON',
    { texts: true, settle: [{ kind: 'succeeded', id: 'a', epoch: 1, result: '{' }] },
    'settle.0.result',
  ],
  ['much progress', { extend: [{ id: 'a', epoch: 1, progress: 'x'.repeat(4_097) }] }, 'extend.0.progress'],
])('an exchange with %s is refused, and nothing is changed', async (_, wrong, path) => {
  const setup = setUp()
  await setup.broker.enqueue([aJob('a')])
  const refused = await setup.post('/v1/exchange', { lane: 'py.1.0', seq: 1, want: 1, ...wrong })
  expect([refused.status, await problem(refused)]).toMatchObject([400, { type: 'invalid-request', paths: [path] }])
  expect((await setup.broker.get(['a']))[0]?.state).toBe('queued')
})

test('an error is cut as a worker of ours cuts it', async () => {
  const setup = setUp()
  const worker = lane(setup)
  await setup.broker.enqueue([aJob('a')])
  await worker.exchange({ want: 1 })
  const error = { message: 'm'.repeat(500_000), stack: 's'.repeat(500_000) }
  await worker.exchange({ settle: [{ kind: 'failed', id: 'a', epoch: 1, error }] })
  const kept = (await setup.broker.get(['a']))[0]?.error
  expect([kept?.message.length, kept?.stack?.length]).toEqual([2_000, 8_000])
})

test('a result larger than the API takes inputs fits, as it does from any worker', async () => {
  const setup = setUp()
  const worker = lane(setup)
  await setup.broker.enqueue([aJob('a')])
  await worker.exchange({ want: 1 })
  const settle = [{ kind: 'succeeded', id: 'a', epoch: 1, result: 'x'.repeat(2_000_000) }]
  expect((await worker.exchange({ settle })).late).toEqual([])
  expect((await worker.send({ settle: ['x'.repeat(8_000_000)] })).status).toBe(413)
})
