/** A secret in every place that a caller, a job or an error can put it: no answer repeats it, and no line of a log. */
import { expect, test } from 'bun:test'
import {
  BlobGone,
  BlobsUnavailable,
  BrokerUnavailable,
  defineApp,
  ScheduleDeclared,
  ScheduleExists,
  ScheduleMoved,
  ScheduleUnreadable,
  StorageFull,
  type TqEvent,
} from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { toFetch } from 'tq-edge/fetch'
import { createApi } from 'tq-edge/http'
import { github, webhook } from 'tq-edge/webhooks'
import { toLine } from '../../cli/log.ts'
import { createToken } from '../../src/http/index.ts'
import { KINDS, type ProblemKind } from '../../src/http/problem.ts'
import type { Schedules } from '../../src/schedules.ts'
import { createVirtualClock } from '../support/clock.ts'
import { aJob, app, failed, SECRET, settle, setUp, succeeded } from './support.ts'

/** Headers that mean nothing here, or may mean something, with the secret in them. */
const HEADERS = {
  Cookie: `session=${SECRET}`,
  'X-Api-Key': SECRET,
  'User-Agent': SECRET,
  Referer: `https://app.example/${SECRET}`,
  Prefer: `wait=0, ${SECRET}`,
  'X-Forwarded-For': SECRET,
}
const LINK_SECRET = `a-link-${SECRET}`
const body = { task: 'anything', input: { password: SECRET } }

type Answered = readonly [response: Response, events: readonly TqEvent[]]

/** Sends one request to an API of its own. */
async function ask(
  options: Parameters<typeof setUp>[0],
  method: string,
  path: string,
  sent?: unknown,
  headers: Record<string, string> = {},
): Promise<Answered> {
  const { api, events } = setUp({ linkSecrets: [LINK_SECRET], ...options })
  return [await api.request(path, requestOf(method, sent, headers)), events]
}

function requestOf(method: string, sent: unknown, headers: Record<string, string> = {}): RequestInit {
  const text = typeof sent === 'string' ? sent : JSON.stringify(sent)
  return {
    method,
    headers: { 'Content-Type': 'application/json', ...HEADERS, ...headers },
    ...(text && { body: text }),
  }
}

/** What a route answers when one of its calls throws that, with the secret wherever an error has room for more than its words. */
async function thrown(error: Error): Promise<Answered> {
  error.stack = `${error.stack}\n    at ${SECRET} (/home/worker/${SECRET}.ts:1:1)`
  error.cause = new Error(`redis://:${SECRET}@10.0.0.5`)
  const broken = new Proxy({} as Schedules, { get: () => () => Promise.reject(error) })
  const { api, events } = setUp({ schedules: () => broken })
  // Not by `request`, which is held to the document: this route has no such answers.
  const url = 'http://localhost/v1/schedules/report'
  return [await api.fetch(new Request(url, requestOf('GET', undefined))), events]
}

async function inSteps(
  options: Parameters<typeof setUp>[0],
  ...steps: [path: string, sent: unknown][]
): Promise<Answered> {
  const { api, events } = setUp(options)
  let response = new Response()
  for (const [path, sent] of steps) response = await api.request(path, requestOf('POST', sent))
  return [response, events]
}

/** An API of one webhook, whose handler never ends. */
async function deliver(signature: boolean): Promise<Answered> {
  const clock = createVirtualClock()
  const events: TqEvent[] = []
  const broker = sqliteBroker({ path: ':memory:', clock })
  const begun = Promise.withResolvers<void>()
  const hook = webhook('/hooks/github', github({ secret: SECRET }), () => {
    begun.resolve()
    return new Promise(() => {})
  })
  const api = createApi({ broker, tokens: [SECRET], webhooks: [hook], clock, onEvent: (event) => events.push(event) })
  const text = JSON.stringify(body)
  const mac = new Bun.CryptoHasher('sha256', SECRET).update(text).digest('hex')
  const headers = { 'X-Hub-Signature-256': signature ? `sha256=${mac}` : `sha256=${SECRET}` }
  const answer = api.request('/hooks/github', requestOf('POST', text, headers))
  if (signature) await begun.promise
  await clock.advance(10_000)
  return [await answer, events]
}

const exchange = (seq: number) => ({
  lane: 'w.1.0',
  seq,
  settle: [{ id: SECRET, epoch: 1, kind: 'succeeded', result: SECRET }],
})
const reader = await createToken({ name: 'reader', scopes: ['read'] })
const cutOff = () => new ReadableStream({ pull: (controller) => controller.error(new Error(SECRET)) })

const ANSWERS: Readonly<Record<ProblemKind, () => Promise<Answered>>> = {
  'malformed-json': () => ask({}, 'POST', '/v1/jobs', `{"input":"${SECRET}"`),
  'malformed-body': async () => {
    const { api, events } = setUp()
    return [await api.request('/v1/jobs', { method: 'POST', headers: HEADERS, body: cutOff() }), events]
  },
  'invalid-request': () => ask({}, 'POST', `/v1/jobs`, { ...body, priority: SECRET, id: `${SECRET}\n` }),
  unauthorized: () => ask({ tokens: [`x${SECRET}`] }, 'POST', '/v1/jobs', body, { Authorization: `Bearer ${SECRET}` }),
  unverified: () => deliver(false),
  forbidden: () =>
    ask({ tokens: [reader.record] }, 'POST', '/v1/jobs', body, { Authorization: `Bearer ${reader.token}` }),
  unsigned: () => ask({}, 'POST', `/v1/links?link=${SECRET}.${'0'.repeat(64)}`, body),
  'cross-site': () => ask({}, 'POST', '/v1/jobs', body, { Origin: `https://${SECRET}.example` }),
  'unknown-task': () => ask({ app }, 'POST', '/v1/tasks/email.sned', body),
  'unknown-job': () => ask({}, 'GET', '/v1/jobs/nobody', undefined, { 'If-None-Match': `"${SECRET}"` }),
  'unknown-schedule': async () => {
    const { createSchedules } = await import('tq-edge/scheduler')
    return ask({ schedules: (given) => createSchedules(given) }, 'GET', '/v1/schedules/report')
  },
  'unknown-route': () => ask({}, 'POST', `/v2/jobs?token=${SECRET}`, body),
  'method-not-allowed': () => ask({}, 'PUT', `/v1/jobs?token=${SECRET}`, body),
  'job-state': () => inSteps({}, ['/v1/jobs', { ...body, id: 'a' }], ['/v1/jobs/a/retry', undefined]),
  'stale-exchange': () => inSteps({}, ['/v1/exchange', exchange(5)], ['/v1/exchange', exchange(2)]),
  'job-conflict': () =>
    inSteps({}, ['/v1/jobs', { ...body, id: 'a' }], ['/v1/jobs', { task: 'other', input: SECRET, id: 'a' }]),
  'schedule-exists': () => thrown(new ScheduleExists('report', 'shop')),
  'schedule-declared': () => thrown(new ScheduleDeclared('report', 'shop')),
  'schedule-unreadable': () => thrown(new ScheduleUnreadable('report')),
  'blob-gone': () => thrown(new BlobGone('result/a', 'none')),
  changed: () => thrown(new ScheduleMoved('report', 'at revision 1', '2')),
  'too-large': () => ask({ maxBodyBytes: 10 }, 'POST', '/v1/jobs', body),
  'unsupported-media-type': () =>
    ask({}, 'POST', '/v1/jobs', body, { 'Content-Type': `text/plain; boundary=${SECRET}` }),
  'invalid-input': () => ask({ app }, 'POST', '/v1/tasks/email.send', { to: SECRET, copies: SECRET }),
  'too-many-failures': async () => {
    const { api, events } = setUp({ tokens: [`x${SECRET}`], addressOf: () => '192.0.2.1' })
    const call = () => api.request('/v1/jobs', requestOf('POST', body, { Authorization: `Bearer ${SECRET}` }))
    for (let at = 0; at < 20; at++) await call()
    return [await call(), events]
  },
  'rate-limited': async () => {
    const { api, events } = setUp({ tokens: [SECRET], limits: { perToken: { calls: 1, windowMs: 60_000 } } })
    const call = () => api.request('/v1/jobs', requestOf('POST', body, { Authorization: `Bearer ${SECRET}` }))
    await call()
    return [await call(), events]
  },
  'key-reused': async () => {
    const { api, events } = setUp()
    const call = (sent: unknown) => api.request('/v1/jobs', requestOf('POST', sent, { 'Idempotency-Key': SECRET }))
    await call({ task: 'anything' })
    return [await call(body), events]
  },
  'key-under-way': async () => {
    const reached = Promise.withResolvers<void>()
    const enqueue = () => {
      reached.resolve()
      return new Promise<never>(() => {})
    }
    const { api, events } = setUp({ wrap: () => ({ enqueue }) })
    const call = () => api.request('/v1/jobs', requestOf('POST', body, { 'Idempotency-Key': SECRET }))
    void call()
    await reached.promise
    return [await call(), events]
  },
  'events-off': () => ask({}, 'GET', '/v1/events', undefined, { 'Last-Event-ID': SECRET }),
  'body-read': async () => {
    const { api, events } = setUp()
    const request = new Request('http://localhost/v1/jobs', requestOf('POST', body))
    await request.text()
    return [await api.fetch(request), events]
  },
  internal: () => thrown(new TypeError('cannot read it')),
  misconfigured: async () => {
    const broker = sqliteBroker({ path: ':memory:' })
    const handle = toFetch(defineApp({ tasks: [] }), { broker: () => broker })
    const variables = { TQ_TOKENS: '', TQ_LINK_SECRET: SECRET, UPSTASH_REDIS_REST_TOKEN: SECRET }
    return [await handle(new Request('http://app.example/v1/jobs', requestOf('POST', body)), variables), []]
  },
  'not-ready': () =>
    ask({ wrap: () => ({ get: () => Promise.reject(new BrokerUnavailable('redis', SECRET)) }) }, 'GET', '/readyz'),
  'no-beat': () => ask({}, 'GET', `/healthz?beat=300&token=${SECRET}`),
  'too-many-streams': async () => {
    const { api, broker, events } = setUp({ maxStreams: 0 })
    await broker.enqueue([aJob('a', { input: `"${SECRET}"` })])
    return [await api.request('/v1/jobs/a/events', { headers: HEADERS }), events]
  },
  'webhook-late': () => deliver(true),
  'queue-full': () =>
    ask({ wrap: () => ({ enqueue: async (jobs) => jobs.map(() => 'full') }) }, 'POST', '/v1/jobs', body),
  'broker-unavailable': () => thrown(new BrokerUnavailable('redis', SECRET)),
  'blobs-unavailable': () => thrown(new BlobsUnavailable('put', SECRET)),
  'storage-full': () => thrown(new StorageFull(SECRET)),
}

/** What an operator sees of it: both forms of the log. */
const logged = (events: readonly TqEvent[]) =>
  events.flatMap((event) => [toLine(event), JSON.stringify(event)]).join('\n')

function expectNoSecret(text: string): void {
  expect(text).not.toContain(SECRET)
  expect(text).not.toMatch(/\n? +at .*:\d+:\d+|"stack"|node_modules|\/home\//)
}

test.each(Object.entries(ANSWERS))(
  'a problem %s repeats no secret and shows no stack, nor does the log of it',
  async (kind, answered) => {
    const [response, events] = await answered()
    const text = await response.text()
    expect(JSON.parse(text).type).toBe(`urn:tq:problem:${kind}`)
    expect(response.status).toBe(KINDS[kind as ProblemKind].status)
    expectNoSecret(`${text}\n${JSON.stringify([...response.headers])}`)
    expectNoSecret(logged(events))
  },
)

test('what is done leaves no secret in the log either: not the input, the result, the token nor a link', async () => {
  const { token, record } = await createToken({ name: 'all', scopes: ['admin'] })
  const { api, broker, events } = setUp({ tokens: [record, SECRET], linkSecrets: [LINK_SECRET] })
  const call = async (method: string, path: string, sent?: unknown, as = SECRET) => {
    const response = await api.request(path, requestOf(method, sent, { Authorization: `Bearer ${as}` }))
    expect([path, response.ok]).toEqual([path, true])
    return response.text()
  }
  await call('POST', '/v1/jobs', { ...body, id: 'a' }, token)
  await settle(broker, succeeded('a', `"${SECRET}"`))
  // Whoever may read a job reads it whole; where on the worker it was thrown stays there.
  expect(await call('GET', '/v1/jobs/a/result')).toContain(SECRET)
  await call('POST', '/v1/jobs', { ...body, id: 'b' })
  await settle(broker, failed('b', 'as told'), 'w.2.0')
  expectNoSecret((await call('GET', '/v1/jobs/b')).replace(JSON.stringify(body.input), ''))
  await call('GET', `/v1/jobs?task=${SECRET}`)
  expect(events.length).toBeGreaterThan(5)
  expectNoSecret(logged(events))
  expect(logged(events)).not.toContain(token)
})
