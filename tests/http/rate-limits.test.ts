import { expect, test } from 'bun:test'
import { BrokerRefused, BrokerUnavailable, InvalidOption, StorageFull } from 'tq-edge'
import { createLink } from 'tq-edge/client'
import { brokerRoutes, createApi, createToken, rateLimits } from 'tq-edge/http'
import { github, webhook } from 'tq-edge/webhooks'
import type { Broker } from '../../src/broker.ts'
import type { RateLimit } from '../../src/rate.ts'
import { CASES } from '../webhooks/senders.ts'
import { aJob, setUp } from './support.ts'

const [ADA, GRACE] = ['correct-horse-battery-staple', 'a-token-of-another-caller']
const LINK_SECRET = 'a-long-random-secret'
const PER_TOKEN = { calls: 3, windowMs: 30_000 }
const PER_ADDRESS = { calls: 5, windowMs: 50_000 }

type Options = Parameters<typeof setUp>[0]

/** An API whose callers say in a header where they come from, and what its broker was asked to count. */
function limited(options: Options = {}) {
  const asked: string[][] = []
  const setup = setUp({
    tokens: [ADA, GRACE],
    linkSecrets: [LINK_SECRET],
    addressOf: ({ headers }) => headers.get('From'),
    limits: { perToken: PER_TOKEN },
    wrap: (broker) => ({
      countCall(limits: readonly RateLimit[]) {
        asked.push(limits.map(({ key }) => key))
        return broker.countCall(limits)
      },
    }),
    ...options,
  })
  const call = async (token: string | null, path = '/v1/jobs', { from = '', method = 'GET' } = {}) => {
    const headers = { ...(token === null ? {} : { Authorization: `Bearer ${token}` }), ...(from && { From: from }) }
    return setup.api.request(path, { method, headers })
  }
  const statuses = async (times: number, ...args: Parameters<typeof call>) => {
    const found: number[] = []
    for (let at = 0; at < times; at++) found.push((await call(...args)).status)
    return found
  }
  return { ...setup, asked, call, statuses }
}

const told = ({ headers }: Response) =>
  ['RateLimit-Policy', 'RateLimit', 'Retry-After'].map((name) => headers.get(name))

test('a token that has used up its calls is refused, told how long, and may then go on', async () => {
  const { call, clock } = limited()
  const policy = '"token";q=3;w=30'
  expect(told(await call(ADA))).toEqual([policy, '"token";r=2;t=10', null])
  expect(told(await call(ADA))).toEqual([policy, '"token";r=1;t=10', null])
  expect(told(await call(ADA))).toEqual([policy, '"token";r=0;t=10', null])
  await clock.advance(500)
  const refused = await call(ADA)
  expect([refused.status, ...told(refused)]).toEqual([429, policy, '"token";r=0;t=10', '10'])
  expect(await refused.json()).toEqual({
    type: 'urn:tq:problem:rate-limited',
    title: 'The caller has sent too many calls',
    status: 429,
    detail: 'expected at most 3 calls of a token in 30 s, got more: send it again later',
  })
  await clock.advance(9_499)
  expect(told(await call(ADA))).toEqual([policy, '"token";r=0;t=1', '1'])
  await clock.advance(1)
  expect(told(await call(ADA))).toEqual([policy, '"token";r=0;t=10', null])
})

test('an address that has used up its calls is told so', async () => {
  const { call } = limited({ limits: { perAddress: { calls: 1, windowMs: 30_000 } } })
  const fromOne = ['/v1/jobs', { from: '192.0.2.1' }] as const
  await call(ADA, ...fromOne)
  expect(await (await call(ADA, ...fromOne)).json()).toMatchObject({
    detail: 'expected at most 1 call of an address in 30 s, got more: send it again later',
  })
})

test('what one token calls takes nothing from another', async () => {
  const { statuses } = limited()
  expect(await statuses(4, ADA)).toEqual([200, 200, 200, 429])
  expect(await statuses(4, GRACE)).toEqual([200, 200, 200, 429])
})

test('a call that is refused does nothing, whatever it is', async () => {
  const { broker, call, post } = limited()
  await broker.enqueue([aJob('kept')])
  for (let at = 0; at < 3; at++) await call(ADA)
  const asAda = { Authorization: `Bearer ${ADA}` }
  const calls = [
    await post('/v1/tasks/anything?id=new', {}, asAda),
    await post('/v1/jobs', { jobs: [{ task: 'anything', id: 'new' }] }, asAda),
    await post('/v1/jobs/kept/cancel', undefined, asAda),
    await post('/v1/queues/default/pause', undefined, asAda),
    await call(ADA, '/v1/jobs/kept', { method: 'DELETE' }),
    await call(ADA, '/v1/jobs/kept', { method: 'HEAD' }),
    await call(ADA, '/v1/jobs/kept/result?wait=60'),
    await call(ADA, '/v1/jobs/kept/events'),
    await call(ADA, '/v1/nothing'),
  ]
  expect(calls.map(({ status }) => status)).toEqual(calls.map(() => 429))
  expect((await broker.get(['kept', 'new'])).map((record) => record?.state)).toEqual(['queued', undefined])
  expect((await broker.stats()).queues[0]?.paused).toBe(false)
})

test('every call counts as one, whatever comes of it and whatever it carries; a refused one does not', async () => {
  const { post, call, clock, statuses } = limited()
  const asAda = { Authorization: `Bearer ${ADA}` }
  const many = { jobs: Array.from({ length: 1_000 }, () => ({ task: 'anything' })) }
  const answers = [await post('/v1/jobs', many, asAda), await call(ADA, '/v1/jobs/none'), await call(ADA, '/v1/none')]
  expect(answers.map(({ status }) => status)).toEqual([202, 404, 404])
  expect(answers.map((answer) => told(answer)[1])).toEqual([2, 1, 0].map((left) => `"token";r=${left};t=10`))
  expect(await statuses(20, ADA)).toEqual(Array(20).fill(429))
  await clock.advance(10_000)
  expect(await statuses(2, ADA)).toEqual([200, 429])
})

test('instances of the API on one broker count together', async () => {
  const { broker, clock, statuses } = limited()
  const other = createApi({ broker, clock, tokens: [ADA], rateLimits: rateLimits({ perToken: PER_TOKEN }) })
  const callOther = async () =>
    (await other.request('/v1/jobs', { headers: { Authorization: `Bearer ${ADA}` } })).status
  expect(await statuses(2, ADA)).toEqual([200, 200])
  expect([await callOther(), await callOther()]).toEqual([200, 429])
  expect(await statuses(1, ADA)).toEqual([429])
})

test('by address all tokens count together, and both limits are told of, in one call of the broker', async () => {
  const { asked, call, statuses } = limited({ limits: { perToken: PER_TOKEN, perAddress: PER_ADDRESS } })
  expect(told(await call(ADA, '/v1/jobs', { from: '192.0.2.1' }))).toEqual([
    '"token";q=3;w=30, "address";q=5;w=50',
    '"token";r=2;t=10, "address";r=4;t=10',
    null,
  ])
  expect(asked).toEqual([[expect.stringMatching(/^token:[\w-]{16}$/), 'address:192.0.2.1']])
  expect(await statuses(3, ADA, '/v1/jobs', { from: '192.0.2.1' })).toEqual([200, 200, 429])
  expect(await statuses(3, GRACE, '/v1/jobs', { from: '192.0.2.1' })).toEqual([200, 200, 429])
  expect(await statuses(1, GRACE, '/v1/jobs', { from: '192.0.2.2' })).toEqual([200])
  // Of an address that is not known the token counts alone.
  expect(told(await call(GRACE))[0]).toBe('"token";q=3;w=30')
})

test('all addresses of one IPv6 network count together', async () => {
  const { statuses } = limited({ limits: { perAddress: { calls: 2, windowMs: 60_000 } } })
  const ask = (from: string) => statuses(1, ADA, '/v1/jobs', { from })
  expect(await ask('2001:db8:1:2::1')).toEqual([200])
  expect(await ask('2001:db8:1:2:ffff::2')).toEqual([200])
  expect(await ask('2001:db8:1:2::3')).toEqual([429])
  expect(await ask('2001:db8:1:3::1')).toEqual([200])
})

test('nothing of a token is kept but a part of its hash, and of an address no more than its beginning', async () => {
  const { asked, call } = limited({ limits: { perToken: PER_TOKEN, perAddress: PER_ADDRESS } })
  const { token, record } = await createToken({ name: 'ci', scopes: ['read'] })
  const both = limited({ tokens: [record], limits: { perToken: PER_TOKEN } })
  await both.call(token)
  await call(ADA, '/v1/jobs', { from: 'x'.repeat(5_000) })
  const kept = JSON.stringify([...asked, ...both.asked])
  for (const secret of [ADA, token, record.hash]) expect(kept).not.toContain(secret.slice(0, 8))
  expect(asked[0]?.[1]).toBe(`address:${'x'.repeat(100)}`)
})

test('a stranger’s calls are not counted: they cost no call of the broker', async () => {
  const { token, record } = await createToken({ scopes: ['operate'] })
  const { asked, call, statuses } = limited({
    tokens: [ADA, record],
    limits: { perToken: PER_TOKEN, perAddress: PER_ADDRESS },
  })
  const from = { from: '192.0.2.1' }
  expect(await statuses(2, null, '/v1/jobs', from)).toEqual([401, 401])
  expect(await statuses(2, 'wrong', '/v1/jobs', from)).toEqual([401, 401])
  expect(await statuses(2, token, '/v1/jobs', from)).toEqual([403, 403])
  expect(await statuses(2, null, '/v1/links?link=no.link', from)).toEqual([403, 403])
  expect(await statuses(2, null, '/healthz', from)).toEqual([200, 200])
  expect(asked).toEqual([])
  expect(told(await call(null))).toEqual([null, null, null])
})

test('a limit that is used up is not asked for again until it allows a call', async () => {
  const { asked, statuses, clock } = limited({ limits: { perToken: PER_TOKEN, perAddress: PER_ADDRESS } })
  const from = { from: '192.0.2.1' }
  expect(await statuses(100, ADA, '/v1/jobs', from)).toEqual([200, 200, 200, ...Array(97).fill(429)])
  expect(asked.length).toBe(4)
  expect(await statuses(1, GRACE, '/v1/jobs', from)).toEqual([200])
  await clock.advance(9_999)
  expect(await statuses(1, ADA, '/v1/jobs', from)).toEqual([429])
  expect(asked.length).toBe(5)
  await clock.advance(1)
  expect(await statuses(2, ADA, '/v1/jobs', from)).toEqual([200, 429])
})

test('workers and brokers elsewhere are not counted: they would lose their leases', async () => {
  const { asked, api, post, statuses } = limited({ brokerRoutes })
  const asAda = { Authorization: `Bearer ${ADA}` }
  await statuses(4, ADA)
  const exchange = { lane: 'w.1.0', seq: 1, queues: ['default'], want: 1 }
  expect((await post('/v1/exchange', exchange, asAda)).status).toBe(200)
  expect((await post('/v1/broker/stats', { arguments: [] }, asAda)).status).toBe(200)
  for (const path of ['/healthz', '/readyz']) expect((await api.request(path)).status).toBe(200)
  expect(asked.length).toBe(4)
})

test('a link counts against its caller’s address once it is verified', async () => {
  const { broker, clock, post, call } = limited({
    limits: { perToken: PER_TOKEN, perAddress: { calls: 2, windowMs: 60_000 } },
  })
  const expiresAtMs = clock.now() + 3_600_000
  const linkTo = async (what: { task: string } | { job: string }) =>
    (await createLink(LINK_SECRET, { url: 'https://tq.example', ...what, expiresAtMs })).replace(
      'https://tq.example',
      '',
    )
  const enqueue = await linkTo({ task: 'anything' })
  const from = { From: '192.0.2.1' }
  const first = await post(enqueue, {}, from)
  expect([first.status, ...told(first)]).toEqual([202, '"address";q=2;w=60', '"address";r=1;t=30', null])
  expect((await post(enqueue, {}, from)).status).toBe(202)
  expect((await post(enqueue, {}, from)).status).toBe(429)
  expect((await call(null, await linkTo({ job: 'id-1' }), { from: '192.0.2.1' })).status).toBe(429)
  expect((await broker.list({})).jobs.length).toBe(2)
  expect((await post(enqueue, {}, { From: '192.0.2.2' })).status).toBe(202)
})

test('a webhook counts against its sender’s address once it is verified, and one too many enqueues nothing', async () => {
  const { secret, delivery } = CASES.find(({ name }) => name === 'github') as (typeof CASES)[number]
  const { broker, clock, asked } = limited()
  const countCall: Broker['countCall'] = (limits) => {
    asked.push(limits.map(({ key }) => key))
    return broker.countCall(limits)
  }
  const hook = github({ secret })
  const api = createApi({
    broker: { ...broker, countCall },
    clock,
    tokens: [ADA],
    addressOf: ({ headers }) => headers.get('From'),
    rateLimits: rateLimits({ perAddress: { calls: 1, windowMs: 60_000 } }),
    webhooks: [
      webhook('/hooks/name', hook, 'anything'),
      webhook('/hooks/own', hook, (_, tq) => tq.enqueue('anything')),
    ],
  })
  const deliver = (path: string, from: string, body: string | Uint8Array<ArrayBuffer> = delivery.body) =>
    api.request(path, { method: 'POST', headers: { ...delivery.headers, From: from }, body })
  expect((await deliver('/hooks/name', '192.0.2.1', '{}')).status).toBe(401)
  expect(asked).toEqual([])
  expect((await deliver('/hooks/name', '192.0.2.1')).status).toBe(202)
  for (const path of ['/hooks/name', '/hooks/own']) {
    const refused = await deliver(path, '192.0.2.1')
    expect([refused.status, ...told(refused)]).toEqual([429, '"address";q=1;w=60', '"address";r=0;t=60', '60'])
  }
  expect((await broker.list({})).jobs.length).toBe(1)
  // Nothing is known of where this one comes from.
  expect((await deliver('/hooks/own', '')).status).toBe(202)
})

test('a webhook whose length is not said counts for an address that is known of the request as it came', async () => {
  const { secret, delivery } = CASES.find(({ name }) => name === 'github') as (typeof CASES)[number]
  const { broker, clock } = limited()
  const peers = new WeakMap<Request, string>()
  const api = createApi({
    broker,
    clock,
    tokens: [ADA],
    addressOf: (request) => peers.get(request),
    rateLimits: rateLimits({ perAddress: { calls: 1, windowMs: 60_000 } }),
    webhooks: [webhook('/hooks/github', github({ secret }), 'anything')],
  })
  const deliver = async () => {
    const body = new Blob([delivery.body]).stream()
    const request = new Request('http://localhost/hooks/github', { method: 'POST', headers: delivery.headers, body })
    peers.set(request, '192.0.2.1')
    return (await api.fetch(request)).status
  }
  expect([await deliver(), await deliver()]).toEqual([202, 429])
})

test.each([new BrokerUnavailable('sqlite', 'none in time'), new StorageFull('Redis')])(
  'a call that cannot be counted goes on uncounted, once, and that is told: $name',
  async (error) => {
    let counted = 0
    const wrap = () => ({
      async countCall(): Promise<never> {
        counted++
        throw error
      },
    })
    const { call, events } = limited({ wrap })
    const answer = await call(ADA)
    expect([answer.status, ...told(answer), counted]).toEqual([200, null, null, null, 1])
    expect(events).toContainEqual({ kind: 'broker.failed', call: 'countCall', reason: error.message })
  },
)

test('where the broker refuses to count, no call goes on', async () => {
  const refuse = async () => {
    throw new BrokerRefused('redis', 'NOPERM', 'use a token that may write')
  }
  const { broker, post } = limited({ wrap: () => ({ countCall: refuse }) })
  const asAda = { Authorization: `Bearer ${ADA}` }
  expect((await post('/v1/tasks/anything', {}, asAda)).status).toBe(500)
  expect((await broker.list({})).jobs).toEqual([])
})

test('an API without rate limits asks its broker for none, and tells of none', async () => {
  const { asked, call } = limited({ limits: {} })
  expect(told(await call(ADA))).toEqual([null, null, null])
  expect(asked).toEqual([])
})

test.each<[string, Options, string]>([
  ['no calls', { limits: { perToken: { calls: 0, windowMs: 1_000 } } }, 'rateLimits.perToken.calls'],
  ['half a call', { limits: { perToken: { calls: 0.5, windowMs: 1_000 } } }, 'rateLimits.perToken.calls'],
  ['a window in seconds', { limits: { perAddress: { calls: 5, windowMs: 10 } } }, 'rateLimits.perAddress.windowMs'],
  ['a window without end', { limits: { perAddress: { calls: 5, windowMs: 1e12 } } }, 'rateLimits.perAddress.windowMs'],
  ['tokens to count by, and none', { tokens: 'none' }, 'rateLimits.perToken'],
])('an API with %s is refused at once', (_, options, place) => {
  expect(() => limited(options)).toThrow(expect.objectContaining({ name: 'InvalidOption', option: place }))
})

test('an API that is to count by address and knows none is refused at once', () => {
  const { broker } = setUp()
  expect(() => createApi({ broker, tokens: [ADA], rateLimits: rateLimits({ perAddress: PER_ADDRESS }) })).toThrow(
    InvalidOption,
  )
})
