import { expect, test } from 'bun:test'
import { createClient, defineApp, defineTask, sendCallbacks, type TqEvent } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { createLink } from 'tq-edge/client'
import { toWorker } from 'tq-edge/cloudflare'
import { createToken, rateLimits } from 'tq-edge/http'
import { openApi } from 'tq-edge/openapi'
import { createSchedules, every } from 'tq-edge/scheduler'
import { createEdge, type DrainLimits, type EdgeOptions } from '../../../adapters/runtimes/edge.ts'
import { KICK_HEADER, signKick } from '../../../src/kick.ts'
import { createVirtualClock } from '../../support/clock.ts'
import { createGate } from '../../support/worker-bench.ts'

const TOKEN = 'a-long-random-token'
const VARIABLES = { TQ_TOKENS: `another-token, ${TOKEN}` }

/** An instance on a broker in memory, whose time moves when the test says so. */
function setUp(options: Partial<EdgeOptions> = {}, more: DrainLimits = {}, clock = createVirtualClock()) {
  const broker = sqliteBroker({ path: ':memory:', clock })
  const ran: string[] = []
  const gate = createGate()
  const note = defineTask({ name: 'note', run: (text: string) => void ran.push(text) })
  const app = defineApp({
    tasks: [note, defineTask({ name: 'held', run: () => gate.pass() })],
    schedules: [every('often', '30s', { task: note, input: 'tick' })],
  })
  const limits = { clock, budgetMs: 20_000, ...more }
  const edge = createEdge(app, { broker: () => broker, clock, drain: limits, kick: limits, ...options })
  const background: Promise<unknown>[] = []
  const post = (task: string, input: unknown, token = TOKEN, variables: object = VARIABLES) =>
    edge.fetch(
      new Request(`http://edge.test/v1/tasks/${task}`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body: JSON.stringify(input),
      }),
      { ...variables },
      (work) => background.push(work),
    )
  return { clock, broker, app, edge, ran, gate, post, background, client: createClient({ broker, clock }) }
}

test('a request is answered by the REST producer, with the tokens of the variables', async () => {
  const { post, broker } = setUp({ kick: false })
  expect((await post('note', 'hello')).status).toBe(202)
  expect((await post('note', 'hello', 'wrong')).status).toBe(401)
  expect((await post('nobody', 'hello')).status).toBe(404)
  expect((await broker.stats()).queues[0]?.counts.queued).toBe(1)
})

test('the variables hold records of tokens with scopes as well', async () => {
  const { token, record } = await createToken({ name: 'ci', scopes: ['enqueue:note'] })
  const variables = { TQ_TOKENS: `another-token, ci:enqueue:note:${record.hash}` }
  const { post, broker } = setUp({ kick: false })
  expect((await post('note', 'hello', token, variables)).status).toBe(202)
  expect((await post('held', 'hello', token, variables)).status).toBe(403)
  expect((await post('note', 'hello', record.hash, variables)).status).toBe(401)
  expect((await broker.stats()).queues[0]?.counts.queued).toBe(1)
})

test('a link that TQ_LINK_SECRET has signed is taken, and its job run right after the answer', async () => {
  const { edge, ran, background, clock } = setUp()
  const expiresAtMs = clock.now() + 1_000
  const link = await createLink('a-long-random-secret', {
    url: 'http://edge.test',
    task: 'note',
    input: 'hi',
    expiresAtMs,
  })
  const use = (variables: object) =>
    edge.fetch(new Request(link, { method: 'POST' }), { ...VARIABLES, ...variables }, (work) => background.push(work))
  expect((await use({ TQ_LINK_SECRET: 'the-next-long-secret, a-long-random-secret' })).status).toBe(202)
  await Promise.all(background)
  expect(ran).toEqual(['hi'])
})

test('an address with too many failed checks is slowed down, where the app says how addresses are known', async () => {
  const { post } = setUp({ addressOf: ({ url }) => new URL(url).host })
  for (let at = 0; at < 20; at++) expect((await post('note', 'hello', 'wrong')).status).toBe(401)
  expect((await post('note', 'hello')).status).toBe(429)
})

test('calls are limited by token and by address, where the app says so', async () => {
  const { post, ran } = setUp({
    addressOf: ({ url }) => new URL(url).host,
    rateLimits: rateLimits({
      perToken: { calls: 2, windowMs: 60_000 },
      perAddress: { calls: 9, windowMs: 60_000 },
    }),
  })
  const answers = [await post('note', 'one'), await post('note', 'two'), await post('note', 'three')]
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 429])
  expect(answers[0]?.headers.get('RateLimit')).toBe('"token";r=1;t=30, "address";r=8;t=7')
  expect(ran).not.toContain('three')
})

test('schedules are made over REST, checked by the app, and fired with the next cron trigger', async () => {
  const { edge, clock, ran, background } = setUp({ schedules: createSchedules }, { budgetMs: 1_000 })
  const put = (body: object) =>
    edge.fetch(
      new Request('http://edge.test/v1/schedules/a%2Fb', {
        method: 'PUT',
        headers: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      }),
      VARIABLES,
      (work) => background.push(work),
    )
  const rule = { kind: 'at', atMs: clock.now() + 1 }
  expect((await put({ task: 'nobody', rule })).status).toBe(404)
  expect((await put({ task: 'note', input: 'made', rule })).status).toBe(201)
  expect(background).toEqual([])
  await clock.advance(1)
  await edge.cron(VARIABLES)
  expect(ran).toContain('made')
})

test('nobody makes schedules over REST where the app does not say so', async () => {
  const headers = { Authorization: `Bearer ${TOKEN}` }
  const { edge } = setUp()
  const { status } = await edge.fetch(new Request('http://edge.test/v1/schedules', { headers }), VARIABLES, () => {})
  expect(status).toBe(404)
})

test('an API tells of itself and its tasks where the app says so', async () => {
  const headers = { Authorization: `Bearer ${TOKEN}` }
  const statusAndTasks = async (options: Partial<EdgeOptions>) => {
    const request = new Request('http://edge.test/openapi.json', { headers })
    const answer = await setUp(options).edge.fetch(request, VARIABLES, () => {})
    return [answer.status, (await answer.text()).includes('/v1/tasks/held')]
  }
  expect(await statusAndTasks({ openapi: openApi() })).toEqual([200, true])
  expect(await statusAndTasks({})).toEqual([404, false])
})

test('a job that was taken is run right after the answer, where the platform lets work go on', async () => {
  const { post, ran, background } = setUp()
  expect((await post('note', 'hello')).status).toBe(202)
  expect(background.length).toBe(1)
  await Promise.all(background)
  expect(ran).toEqual(['hello'])
})

test('a job that a request has be due now is run right after the answer, one that it cancels starts no drain', async () => {
  const { broker, edge, ran, background } = setUp()
  const job = { task: 'note', queue: 'default', input: '"later"', priority: 0, createdAtMs: 0, delayMs: 60_000 }
  await broker.enqueue([
    { id: 'a', ...job },
    { id: 'b', ...job },
  ])
  const post = (path: string) => {
    const request = { method: 'POST', headers: { Authorization: `Bearer ${TOKEN}` } }
    return edge.fetch(new Request(`http://edge.test${path}`, request), VARIABLES, (work) => background.push(work))
  }
  expect((await post('/v1/jobs/a/cancel')).status).toBe(200)
  expect((await post('/v1/queues/mail/pause')).status).toBe(200)
  expect((await post('/v1/jobs/a/promote')).status).toBe(409)
  expect(background).toEqual([])
  expect((await post('/v1/jobs/b/promote')).status).toBe(200)
  await Promise.all(background)
  expect(ran).toEqual(['later'])
})

test('a schedule that is run over REST has its job run right after the answer, one that makes none starts no drain', async () => {
  const { edge, gate, clock, background } = setUp({ schedules: createSchedules })
  const send = (method: string, path: string, body?: object) =>
    edge.fetch(
      new Request(`http://edge.test/v1/schedules/a${path}`, {
        method,
        headers: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' },
        ...(body ? { body: JSON.stringify(body) } : {}),
      }),
      VARIABLES,
      (work) => background.push(work),
    )
  const rule = { kind: 'every', everyMs: 3_600_000 }
  await send('PUT', '', { task: 'held', rule, overlap: 'skip' })
  await send('POST', '/pause')
  expect(background).toEqual([])
  expect((await send('POST', '/run')).status).toBe(202)
  expect(background.length).toBe(1)
  while (gate.waiting === 0) await clock.advance(1)
  expect((await send('POST', '/run')).status).toBe(200)
  expect(background.length).toBe(1)
  gate.open()
  await clock.advance(1_000)
  await Promise.all(background)
})

test('below a base path requests are answered, kicks taken and drains started as at the root', async () => {
  const { edge, ran, background, clock } = setUp({ basePath: '/api/tq' })
  const secret = 'a-long-random-secret'
  const send = (path: string, headers: Record<string, string> = {}) =>
    edge.fetch(
      new Request(`http://edge.test${path}`, { method: 'POST', body: '"hi"', headers }),
      { ...VARIABLES, TQ_KICK_SECRET: secret },
      (work) => background.push(work),
    )
  const posted = await send('/api/tq/v1/tasks/note?id=a', { Authorization: `Bearer ${TOKEN}` })
  expect([posted.status, posted.headers.get('Location')]).toEqual([202, '/api/tq/v1/jobs/a'])
  await Promise.all(background)
  expect(ran).toEqual(['hi'])
  const kick = { [KICK_HEADER]: await signKick(secret, clock.now(), 0) }
  expect((await send('/api/tq/v1/drain', kick)).status).toBe(202)
  expect((await send('/v1/drain', kick)).status).toBe(404)
  expect((await send('/v1/tasks/note', { Authorization: `Bearer ${TOKEN}` })).status).toBe(404)
  await Promise.all(background)
  expect(background.length).toBe(2)
})

test('requests that take no job start no drain', async () => {
  const { post, edge, background } = setUp()
  await post('note', 'hello', 'wrong')
  await post('nobody', 'hello')
  await edge.fetch(new Request('http://edge.test/healthz'), VARIABLES, (work) => background.push(work))
  expect(background).toEqual([])
})

test('one instance drains once at a time, and once more for whoever came meanwhile', async () => {
  let drains = 0
  const onEvent = ({ kind }: TqEvent) => void (kind === 'worker.started' && drains++)
  const { post, ran, gate, background, clock } = setUp({ onEvent })
  await post('held', null)
  while (gate.waiting === 0) await clock.advance(1)
  await post('note', 'meanwhile')
  await post('note', 'as well')
  await clock.advance(1)
  expect([gate.most, ran]).toEqual([1, []])
  gate.open()
  await clock.advance(1_000)
  await Promise.all(background)
  expect([ran, drains]).toEqual([['meanwhile', 'as well'], 2])
})

test('a drain that had to wait for another one has the rest of its own time', async () => {
  const { clock, post, background } = setUp({}, { concurrency: 1 })
  await post('held', 1)
  await clock.advance(5_000)
  await post('held', 2)
  let ended = 0
  for (const work of background) void work.then(() => ended++)
  await clock.advance(14_900)
  expect(ended).toBe(1)
  await clock.advance(5_100)
  expect(ended).toBe(2)
})

test('a drain whose invocation the platform has ended holds the next one up no longer than it could have taken', async () => {
  const bench = setUp()
  // As if it had stopped there: nothing of it goes on.
  let isEnded = true
  const broker = { ...bench.broker, workers: () => (isEnded ? new Promise<never>(() => {}) : bench.broker.workers()) }
  const { clock, post, background, ran } = setUp({ broker: () => broker }, {}, bench.clock)
  await post('note', 'first')
  await clock.advance(5_000)
  isEnded = false
  await post('note', 'second')
  await clock.advance(14_999)
  expect(ran).toEqual([])
  await clock.advance(1)
  await background[1]
  expect(ran).toEqual(['first', 'second'])
})

test('a cron trigger looks ahead and drains, however often and late it comes', async () => {
  const { edge, clock, ran } = setUp()
  const trigger = async () => {
    const reports = Promise.all([edge.cron(VARIABLES), edge.cron(VARIABLES)])
    await clock.advance(20_000)
    return reports
  }
  const first = await trigger()
  // What falls due within a minute and a half is there before its time, and has not run.
  expect(first.reduce((sum, { fired }) => sum + fired, 0)).toBe(3)
  expect(ran.length).toBe(0)
  await clock.advance(300_000)
  await trigger()
  expect(ran.length).toBe(5)
  await clock.advance(10_000)
  await trigger()
  expect(ran.length).toBe(6)
})

test('a cron trigger may fire schedules alone', async () => {
  const { edge, clock, client } = setUp({ drain: false })
  await client.enqueue('note', 'hello')
  await edge.cron(VARIABLES)
  await clock.advance(60_000)
  expect(await edge.cron(VARIABLES)).toMatchObject({ fired: 2, drained: null })
})

test('an older version of the app leaves the schedules of a newer one alone', async () => {
  const { broker, clock, app } = setUp()
  const given = { broker: () => broker, drain: { clock, stay: false } }
  const version = (timestamp: string) => ({ CF_VERSION_METADATA: { id: 'x', tag: '', timestamp } })
  await toWorker(app, given).scheduled({}, version('2026-11-21T10:00:00Z'))
  const older = defineApp({ tasks: [...app.tasks.values()] })
  await toWorker(older, given).scheduled({}, version('2026-11-20T10:00:00Z'))
  expect((await broker.schedules()).schedules.map(({ name }) => name)).toEqual(['often'])
  await toWorker(older, given).scheduled({}, version('2026-11-22T10:00:00Z'))
  expect((await broker.schedules()).schedules).toEqual([])
})

test.each([
  ['UPSTASH_REDIS_REST_URL', { TQ_TOKENS: TOKEN }],
  ['UPSTASH_REDIS_REST_TOKEN', { TQ_TOKENS: TOKEN, UPSTASH_REDIS_REST_URL: 'https://redis.test' }],
  ['KV_REST_API_TOKEN', { TQ_TOKENS: TOKEN, KV_REST_API_URL: 'https://redis.test' }],
  ['TQ_TOKENS', { UPSTASH_REDIS_REST_URL: 'https://redis.test', UPSTASH_REDIS_REST_TOKEN: 'secret-one' }],
])('a missing %s is named in the answer to a request and in the error of a trigger', async (name, variables) => {
  const edge = createEdge(defineApp({ tasks: [] }))
  const answer = await edge.fetch(new Request('http://edge.test/v1/jobs/x'), variables, () => {})
  expect([answer.status, answer.headers.get('content-type')]).toEqual([500, 'application/problem+json'])
  const { type, detail } = (await answer.json()) as { type: string; detail: string }
  expect([type, detail]).toEqual(['urn:tq:problem:misconfigured', expect.stringContaining(`expected ${name} to be`)])
  expect(detail).not.toContain('secret-one')
  if (name !== 'TQ_TOKENS')
    await expect(edge.cron(variables)).rejects.toMatchObject({ name: 'InvalidOption', option: name })
})

test('a binding of another kind than text is named', async () => {
  const edge = createEdge(defineApp({ tasks: [] }))
  const variables = { TQ_TOKENS: TOKEN, UPSTASH_REDIS_REST_URL: { get: () => '' } }
  await expect(edge.cron(variables)).rejects.toMatchObject({ option: 'UPSTASH_REDIS_REST_URL' })
})

test('a drain sends callbacks where the entry was given how, with the secret and the hosts of the variables', async () => {
  const told: Request[] = []
  const fetch = async (request: Request) => {
    told.push(request)
    return new Response()
  }
  const { edge, client, broker } = setUp({ callbacks: sendCallbacks, fetch })
  await client.enqueue('note', 'hello', { id: 'a', onSuccess: 'https://hooks.test/' })
  await client.enqueue('note', 'hello', { id: 'b', onSuccess: 'http://10.0.0.7/' })
  await expect(edge.cron(VARIABLES)).rejects.toThrow('expected the secret of callbacks')
  const TQ_CALLBACK_SECRET = `whsec_${btoa('a secret that is long enough')}`
  await edge.cron({ ...VARIABLES, TQ_CALLBACK_SECRET, TQ_ALLOW_HOSTS: '10.0.0.7' })
  expect(told.map(({ url }) => url).sort()).toEqual(['http://10.0.0.7/', 'https://hooks.test/'])
  expect((await broker.get(['a:onSuccess:1']))[0]?.state).toBe('succeeded')
})

test('a drain that was not given how puts callbacks back', async () => {
  const events: TqEvent[] = []
  const { edge, client, broker } = setUp({ onEvent: (event) => events.push(event) }, { stay: false })
  await client.enqueue('note', 'hello', { id: 'a', onSuccess: 'https://hooks.test/' })
  await edge.cron({ ...VARIABLES, TQ_CALLBACK_SECRET: `whsec_${btoa('a secret that is long enough')}` })
  expect(events).toContainEqual(expect.objectContaining({ kind: 'job.released', task: 'tq.callback' }))
  expect((await broker.get(['a:onSuccess:1']))[0]?.state).toBe('scheduled')
})
