/** `Idempotency-Key`: a request that is sent again under its key does nothing more, and is answered as the first one. */
import { afterAll, expect, test } from 'bun:test'
import { connect } from 'node:net'
import fc from 'fast-check'
import { redisBroker } from 'tq-edge/brokers/redis'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { createLink } from 'tq-edge/client'
import { createApi, createToken } from 'tq-edge/http'
import { createSchedules } from 'tq-edge/scheduler'
import { type Broker, STUB_MS } from '../../src/broker.ts'
import { createVirtualClock, type VirtualClock } from '../support/clock.ts'
import { flaky } from '../support/flaky-broker.ts'
import { createFolder } from '../support/folder.ts'
import { seededRandom } from '../support/random.ts'
import { startRedisOverHttp } from '../support/redis-http.ts'
import { redisServer } from '../support/redis-server.ts'
import { aJob, app, settle, setUp, succeeded } from './support.ts'

const KEY = { 'Idempotency-Key': '"8e03978e-40d5-43e8-bc93-6894a57f9324"' }
const key = (value: string) => ({ 'Idempotency-Key': value })
const SECRET = 'a-long-random-secret'

/** All of an answer that a caller can act on. */
async function answerOf(response: Response) {
  const { status, headers } = response
  return { status, location: headers.get('Location'), body: (await response.json()) as Answered }
}
type Answered = { id?: string; state?: string; type?: string; jobs?: { id: string }[] }

const isReplay = ({ headers }: Response) => headers.get('Idempotent-Replayed') === 'true'
const kindOf = async (response: Response) => [
  response.status,
  ((await response.json()) as Answered).type?.split(':')[3],
]
const idsOf = async (broker: Broker) => (await broker.list({ limit: 1_000 })).jobs.map(({ id }) => id).toSorted()

test('a request that is sent again under its key is answered as the first one, whatever has become of its job', async () => {
  const { broker, post, clock, events } = setUp()
  const send = () => post('/v1/tasks/anything?queue=default&priority=3', { to: 'Ada' }, KEY)
  const first = await send()
  expect(isReplay(first)).toBe(false)
  const answer = await answerOf(first)
  expect(answer).toMatchObject({ status: 202, body: { state: 'queued' } })
  const id = answer.body.id ?? ''
  expect(answer.location).toBe(`/v1/jobs/${id}`)
  const again = async () => {
    const response = await send()
    expect([isReplay(response), await answerOf(response)]).toEqual([true, answer])
  }
  await again()
  await settle(broker, succeeded(id, '"done"'))
  await again()
  await broker.remove([id])
  await again()
  await clock.advance(STUB_MS - 1)
  await again()
  expect(await idsOf(broker)).toEqual([])
  expect(events.filter(({ kind }) => kind === 'job.enqueued')).toHaveLength(1)
})

test('a key is free again an hour after its job has gone', async () => {
  const { broker, post, clock } = setUp()
  const { body } = await answerOf(await post('/v1/tasks/anything', 1, KEY))
  await settle(broker, succeeded(body.id ?? '', '1'))
  await clock.advance(STUB_MS + 1)
  await broker.prune()
  const other = await post('/v1/tasks/anything', 2, KEY)
  expect([other.status, isReplay(other)]).toEqual([202, false])
})

test('the answer says what the job was at first, also once its due time has passed', async () => {
  const { post, clock } = setUp()
  const dueAtMs = clock.now() + 60_000
  const requests: [string, unknown][] = [
    ['/v1/tasks/anything?delayMs=1000', 1],
    ['/v1/jobs', { task: 'anything', dueAtMs }],
    ['/v1/jobs', [{ task: 'anything' }, { task: 'anything', dueAtMs }, { task: 'anything', dueAtMs: 1 }]],
    ['/v1/jobs', { task: 'anything', dueAtMs: 1 }],
  ]
  const send = () =>
    Promise.all(requests.map(async ([path, body], at) => answerOf(await post(path, body, key(`k${at}`)))))
  const first = await send()
  expect(first.map(({ body }) => body.state)).toEqual(['scheduled', 'scheduled', undefined, 'queued'])
  await clock.advance(120_000)
  expect(await send()).toEqual(first)
})

test('a list is answered again as it was, and costs the broker one call each time', async () => {
  let calls = 0
  const { broker, post } = setUp({
    wrap: (real) => ({
      enqueue: (jobs) => {
        calls++
        return real.enqueue(jobs)
      },
      get: () => Promise.reject(new Error('expected no further call')),
    }),
  })
  const jobs = Array.from({ length: 1_000 }, (_, at) => ({ task: 'anything', input: at, delayMs: at % 2 }))
  const first = await post('/v1/jobs', { jobs }, KEY)
  const again = await post('/v1/jobs', { jobs }, KEY)
  expect([isReplay(first), isReplay(again)]).toEqual([false, true])
  const answer = await answerOf(first)
  expect(await answerOf(again)).toEqual(answer)
  expect([answer.status, answer.body.jobs?.length, calls]).toEqual([202, 1_000, 2])
  expect(await idsOf(broker)).toHaveLength(1_000)
})

const FIRST = [
  { task: 'anything', input: { a: 1 }, queue: 'q', priority: 1, delayMs: 1 },
  { task: 'anything', input: 2 },
]
const [ONE, TWO] = FIRST as [object, object]
const OTHERS: [what: string, path: string, body: unknown][] = [
  ['a task', '/v1/jobs', [{ ...ONE, task: 'other' }, TWO]],
  ['an input', '/v1/jobs', [{ ...ONE, input: { a: 2 } }, TWO]],
  ['an input that is left out', '/v1/jobs', [ONE, { task: 'anything' }]],
  ['a queue', '/v1/jobs', [{ ...ONE, queue: 'r' }, TWO]],
  ['a priority', '/v1/jobs', [{ ...ONE, priority: 2 }, TWO]],
  ['a delay', '/v1/jobs', [{ ...ONE, delayMs: 2 }, TWO]],
  ['a due time', '/v1/jobs', [ONE, { ...TWO, dueAtMs: 5 }]],
  ['the order', '/v1/jobs', [TWO, ONE]],
  ['one less', '/v1/jobs', [ONE]],
  ['one in place of a list', '/v1/jobs', ONE],
  ['one more', '/v1/jobs', [...FIRST, { task: 'anything' }]],
  ['the path', '/v1/tasks/anything', 2],
]

test.each(OTHERS)(
  'another request under a key is 422, and nothing of it is done: it differs in %s',
  async (_, path, body) => {
    const { broker, post } = setUp()
    await post('/v1/jobs', FIRST, KEY)
    const before = await idsOf(broker)
    expect(await kindOf(await post(path, body, KEY))).toEqual([422, 'key-reused'])
    expect(await idsOf(broker)).toEqual(before)
    expect(isReplay(await post('/v1/jobs', { jobs: FIRST }, KEY))).toBe(true)
  },
)

test('another request is 422 also while nothing but the stub of its job is left', async () => {
  const { broker, post } = setUp()
  const { body } = await answerOf(await post('/v1/tasks/anything', 1, KEY))
  await broker.remove([body.id ?? ''])
  expect(await kindOf(await post('/v1/tasks/anything', 2, KEY))).toEqual([422, 'key-reused'])
})

test('while a request is under way another one under its key is 409, and after it is not', async () => {
  const [reached, stored] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const { post } = setUp({
    wrap: (broker) => ({
      async enqueue(jobs) {
        reached.resolve()
        await stored.promise
        return broker.enqueue(jobs)
      },
    }),
  })
  const first = post('/v1/tasks/anything', 1, KEY)
  await reached.promise
  const second = await post('/v1/tasks/anything', 1, KEY)
  expect(second.headers.get('Retry-After')).toBe('1')
  expect(await kindOf(second)).toEqual([409, 'key-under-way'])
  const beside = post('/v1/tasks/anything', 1, key('another'))
  stored.resolve()
  expect([(await first).status, (await beside).status]).toEqual([202, 202])
  expect(isReplay(await post('/v1/tasks/anything', 1, KEY))).toBe(true)
})

test('what was refused is not remembered: the key is still free', async () => {
  const { broker, post } = setUp({ app })
  expect((await post('/v1/tasks/email.send', { to: 'nobody' }, KEY)).status).toBe(422)
  expect((await post('/v1/tasks/email.sent', { to: 'ada@example.com' }, KEY)).status).toBe(404)
  const response = await post('/v1/tasks/email.send', { to: 'ada@example.com' }, KEY)
  expect([response.status, isReplay(response)]).toEqual([202, false])
  expect(await idsOf(broker)).toHaveLength(1)
})

test('under a key a list is taken whole or not at all, also where one of its queues is full', async () => {
  const clock = createVirtualClock()
  const broker = sqliteBroker({ path: ':memory:', clock, maxReady: 1 })
  const api = createApi({ broker, tokens: 'none', clock })
  const send = async () => {
    const body = JSON.stringify([{ task: 'a', queue: 'free' }, { task: 'a' }])
    return api.request('/v1/jobs', { method: 'POST', headers: { ...KEY, 'Content-Type': 'application/json' }, body })
  }
  await broker.enqueue([aJob('there')])
  expect(await kindOf(await send())).toEqual([503, 'queue-full'])
  expect(await idsOf(broker)).toEqual(['there'])
  await broker.remove(['there'])
  const taken = await send()
  expect([taken.status, isReplay(taken)]).toEqual([202, false])
  await broker.close()
})

test('a list that no call of the broker can carry is 413 under a key', async () => {
  const { broker, post } = setUp({ maxBodyBytes: 10_000_000 })
  const jobs = Array.from({ length: 5 }, () => ({ task: 'anything', input: 'x'.repeat(1_000_000) }))
  expect(await kindOf(await post('/v1/jobs', jobs, KEY))).toEqual([413, 'too-large'])
  expect(await idsOf(broker)).toEqual([])
  expect((await post('/v1/jobs', jobs)).status).toBe(202)
})

test('quotes are not part of a key', async () => {
  const { broker, post } = setUp()
  for (const value of ['order:7/u', '"order:7/u"', ' "order:7/u" '])
    expect((await post('/v1/tasks/anything', 1, key(value))).status).toBe(202)
  for (const value of [
    '"a b, c; \\"d\\" \\\\"',
    `"${'x'.repeat(255)}"`,
    'x'.repeat(255),
    "!#$%&'()*+-./:<=>?@[]^_`{|}~",
  ])
    expect((await post('/v1/tasks/anything', 1, key(value))).status).toBe(202)
  expect(await idsOf(broker)).toHaveLength(4)
})

test.each([
  ['an empty one', ''],
  ['quotes around nothing', '""'],
  ['one too long', 'x'.repeat(256)],
  ['one too long in quotes', `"${'x'.repeat(256)}"`],
  ['half a quote', '"abc'],
  ['a list, as of two headers', 'abc, abc'],
  ['a list in quotes', '"abc", "abc"'],
  ['parameters', '"abc";a=1'],
  ['a space', 'a b'],
  ['an unknown escape', '"a\\b"'],
  ['characters beyond ASCII', 'schl\u00fcssel'],
])('a key of another form is 400, and nothing is enqueued: %s', async (_, value) => {
  const { broker, post } = setUp()
  for (const path of ['/v1/tasks/anything', '/v1/jobs']) {
    const response = await post(path, { task: 'anything' }, key(value))
    const text = await response.text()
    expect([response.status, JSON.parse(text).type]).toEqual([400, 'urn:tq:problem:invalid-request'])
    if (value.length > 5) expect(text).not.toContain(value)
  }
  expect(await idsOf(broker)).toEqual([])
})

test('two headers are 400 over a socket as well', async () => {
  const { api } = setUp()
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: api.fetch })
  const head = (keys: string) =>
    `POST /v1/tasks/anything HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${keys}Content-Length: 1\r\n\r\n1`
  const statusOf = (keys: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(Number(server.port), '127.0.0.1', () => socket.write(head(keys)))
      socket.once('data', (data) => resolve(String(data).split(' ', 2)[1] ?? '')).once('error', reject)
    })
  expect(await statusOf('Idempotency-Key: a\r\n')).toBe('202')
  expect(await statusOf('Idempotency-Key: a\r\nIdempotency-Key: a\r\n')).toBe('400')
  expect(await statusOf('Idempotency-Key: "a"\r\nidempotency-key: "b"\r\n')).toBe('400')
  await server.stop(true)
})

test('a key and an id are one too many, and nothing is enqueued', async () => {
  const { broker, post } = setUp({ schedules: (given) => createSchedules(given) })
  for (const [path, body] of [
    ['/v1/tasks/anything?id=mine', 1],
    ['/v1/jobs', { task: 'anything', id: 'mine' }],
    ['/v1/jobs', [{ task: 'anything' }, { task: 'anything', id: 'mine' }]],
    ['/v1/schedules/report/run?id=mine', undefined],
  ] as const)
    expect(await kindOf(await post(path, body, KEY))).toEqual([400, 'invalid-request'])
  expect(await idsOf(broker)).toEqual([])
})

test('a key belongs to its token: to each one with scopes, and to those that may do everything together', async () => {
  const [a, b] = await Promise.all(['a', 'b'].map((name) => createToken({ name, scopes: ['enqueue:*'] })))
  if (!a || !b) throw new Error('expected two tokens')
  const { broker, post } = setUp({ tokens: ['all-powerful', 'its-successor', a.record, b.record] })
  const send = (token: string, input: number) =>
    post('/v1/tasks/anything', input, { ...KEY, Authorization: `Bearer ${token}` })
  for (const [at, token] of ['all-powerful', a.token, b.token].entries())
    expect([(await send(token, at)).status, isReplay(await send(token, at))]).toEqual([202, true])
  expect(isReplay(await send('its-successor', 0))).toBe(true)
  expect((await send(a.token, 2)).status).toBe(422)
  const ids = await idsOf(broker)
  expect(ids).toHaveLength(3)
  for (const id of ids) expect(id).toMatch(/^key-[0-9a-f]{32}$/)
})

test('a key belongs to its link; a link that says the id makes one job under whatever key', async () => {
  const { broker, post, clock } = setUp({ tokens: ['a-token'], linkSecrets: [SECRET] })
  const make = async (more: object = {}) => {
    const given = { url: 'http://localhost', task: 'anything', expiresAtMs: clock.now() + 60_000, ...more }
    return (await createLink(SECRET, given)).slice('http://localhost'.length)
  }
  const [link, other, fixed] = [await make(), await make({ queue: 'slow' }), await make({ id: 'mine' })]
  for (const path of [link, other])
    expect([isReplay(await post(path, 1, KEY)), isReplay(await post(path, 1, KEY))]).toEqual([false, true])
  expect(await kindOf(await post(link, 2, KEY))).toEqual([422, 'key-reused'])
  for (const value of ['a', 'b']) expect((await answerOf(await post(fixed, 1, key(value)))).body.id).toBe('mine')
  expect(await idsOf(broker)).toHaveLength(3)
})

test('a schedule is run once under a key, answered alike each time, and 422 with another input', async () => {
  const { broker, api, post } = setUp({ schedules: (given) => createSchedules(given) })
  await api.request('/v1/schedules/report', {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ task: 'anything', rule: { kind: 'cron', pattern: '0 * * * *' }, overlap: 'skip' }),
  })
  const run = (value: string, input?: unknown) => post('/v1/schedules/report/run', input, key(value))
  const first = await run('a', 1)
  const answer = await answerOf(first)
  expect(answer).toMatchObject({ status: 202, body: { outcome: 'fired' } })
  const again = await run('a', 1)
  expect([isReplay(first), isReplay(again), await answerOf(again)]).toEqual([false, true, answer])
  expect(await kindOf(await run('a', 2))).toEqual([422, 'key-reused'])
  expect(await kindOf(await run('a'))).toEqual([422, 'key-reused'])
  const skipped = await answerOf(await run('b'))
  expect(skipped).toMatchObject({ status: 200, body: { jobId: null, outcome: 'skipped' } })
  await broker.remove(await idsOf(broker))
  const late = await run('b')
  expect([isReplay(late), await answerOf(late)]).toEqual([true, skipped])
  expect(await kindOf(await run('b', 1))).toEqual([422, 'key-reused'])
  expect(await kindOf(await post('/v1/jobs', { task: 'anything' }, key('b')))).toEqual([422, 'key-reused'])
})

test('what changes nothing the second time by itself takes no notice of a key', async () => {
  const { api, broker, post } = setUp()
  await broker.enqueue([aJob('a')])
  for (const at of [1, 2]) expect([at, (await post('/v1/jobs/a/cancel', undefined, KEY)).status]).toEqual([at, 200])
  expect((await api.request('/v1/jobs/a', { method: 'DELETE', headers: KEY })).status).toBe(200)
})

/* Across instances, and over a network that loses calls ------------------------------------------------------------- */

const api = (broker: Broker) => createApi({ broker, tokens: 'none' })
const postTo = async (to: ReturnType<typeof api>, body: unknown, value: string) =>
  to.request('/v1/jobs', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...key(value) },
    body: JSON.stringify(body),
  })

/** Sends two requests under one key at once, each to an API of its own, key after key: of each key one is done, whole. */
async function race(brokers: readonly [Broker, Broker]): Promise<void> {
  const [one, two] = brokers.map(api) as [ReturnType<typeof api>, ReturnType<typeof api>]
  const list = (input: number, count: number) => Array.from({ length: count }, () => ({ task: 'anything', input }))
  const keys = Array.from({ length: 20 }, (_, at) => `key-${at}`)
  const same = await Promise.all(
    keys.map((value) => Promise.all([postTo(one, list(1, 2), value), postTo(two, list(1, 2), value)])),
  )
  for (const pair of same) {
    expect(pair.map(isReplay).toSorted()).toEqual([false, true])
    const [first, second] = await Promise.all(pair.map(answerOf))
    expect(second).toEqual(first as NonNullable<typeof first>)
  }
  expect(await idsOf(brokers[0])).toHaveLength(40)
  const differing = await Promise.all(
    keys.map((value) => Promise.all([postTo(one, list(1, 2), `${value}b`), postTo(two, list(2, 3), `${value}b`)])),
  )
  for (const pair of differing) expect(pair.map(({ status }) => status).toSorted()).toEqual([202, 422])
  const taken = await Promise.all(differing.flat().map(async (response) => (await answerOf(response)).body.jobs ?? []))
  expect(await idsOf(brokers[1])).toHaveLength(40 + taken.flat().length)
}

test('of two requests under one key that reach two servers at once one is done, on one file', async () => {
  const folder = createFolder()
  const open = () => sqliteBroker({ path: `${folder.path}/tq.db` })
  const brokers = [open(), open()] as const
  await race(brokers)
  for (const broker of brokers) await broker.close()
  folder.remove()
})

const isLeftOut = redisServer === null && process.env.TQ_REQUIRE_REDIS !== '1'
const closing: (() => unknown)[] = []
afterAll(async () => {
  for (const close of closing) await close()
})

test.skipIf(isLeftOut)('and on one Redis', async () => {
  const redis = await startRedisOverHttp()
  closing.push(() => redis.stop())
  const open = () => redisBroker({ url: redis.url, token: redis.token, subscribe: false })
  const brokers = [open(), open()] as const
  await race(brokers)
  for (const broker of brokers) await broker.close()
})

/** Lets time go on until it has come: a digest takes turns of the event loop that no virtual clock knows of. */
async function passing<T>(clock: VirtualClock, coming: Promise<T>): Promise<T> {
  let isThere = false
  const come = () => {
    isThere = true
  }
  coming.then(come, come)
  while (!isThere) await clock.advance(1_000)
  return coming
}

test('whatever is sent under whatever keys over a network that loses and repeats calls, each key makes one request come true', async () => {
  const call = fc.record({
    value: fc.constantFrom('a', 'b', 'c'),
    to: fc.nat(1),
    jobs: fc.array(fc.record({ task: fc.constant('anything'), input: fc.nat(2), priority: fc.nat(1) }), {
      minLength: 1,
      maxLength: 3,
    }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 8 }), fc.nat(), async (calls, seed) => {
      const clock = createVirtualClock()
      const broker = sqliteBroker({ path: ':memory:', clock })
      const lossy = flaky(broker, { random: seededRandom(seed), lose: 0.4, repeat: 0.2, late: 0.3 })
      const apis = [0, 1].map(() => createApi({ broker: lossy, tokens: 'none', clock }))
      const done = new Map<string, string>()
      for (const { value, to, jobs } of calls) {
        const response = await passing(clock, postTo(apis[to] as ReturnType<typeof api>, jobs, value))
        const { status, body } = await answerOf(response)
        const asked = JSON.stringify(jobs)
        if (status === 202) {
          expect(done.get(value) ?? asked).toBe(asked)
          expect(body.jobs).toHaveLength(jobs.length)
          done.set(value, asked)
        } else if (status === 422) expect(done.get(value)).not.toBe(asked)
        else {
          expect(status).toBe(503)
          // Whether it was done is not known: the same again says.
          done.delete(value)
        }
      }
      await lossy.deliverLate()
      const inputs = new Map<string, string[]>()
      for (const { id, input, priority } of (await broker.list({ limit: 1_000 })).jobs.toReversed()) {
        const first = id.split('.')[0] ?? ''
        inputs.set(first, [...(inputs.get(first) ?? []), `${input}/${priority}`])
      }
      const asked = new Set(calls.map(({ jobs }) => jobs.map(({ input, priority }) => `${input}/${priority}`).join()))
      for (const stored of inputs.values()) expect(asked).toContain(stored.join())
      expect(inputs.size).toBeLessThanOrEqual(new Set(calls.map(({ value }) => value)).size)
      await broker.close()
    }),
    { numRuns: 100 },
  )
})
