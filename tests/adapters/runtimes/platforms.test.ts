import { afterEach, beforeEach, expect, test } from 'bun:test'
import { createClient, defineApp, defineTask } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { toFetch } from 'tq-edge/fetch'
import { toNetlify } from 'tq-edge/netlify'
import { toVercel } from 'tq-edge/vercel'

/** The platforms' own environment: the process's. */
const VARIABLES = { TQ_TOKENS: 'a-long-random-token', CRON_SECRET: 'a-long-random-secret' }
const BEARER = { authorization: `Bearer ${VARIABLES.TQ_TOKENS}` }
const CRON_BEARER = { authorization: `Bearer ${VARIABLES.CRON_SECRET}` }
const CONTEXT = Symbol.for('@vercel/request-context')

beforeEach(() => void Object.assign(process.env, VARIABLES))
afterEach(() => {
  for (const name of Object.keys(VARIABLES)) delete process.env[name]
  delete (globalThis as Record<symbol, unknown>)[CONTEXT]
})

function setUp() {
  const broker = sqliteBroker({ path: ':memory:' })
  const app = defineApp({ tasks: [defineTask({ name: 'tidy', run: () => 'tidied' })] })
  const background: Promise<unknown>[] = []
  return { app, options: { broker: () => broker, kick: true }, broker, tq: createClient({ broker }), background }
}

const post = (headers: HeadersInit = BEARER) =>
  new Request('https://app.test/v1/tasks/tidy', { method: 'POST', headers, body: '{}' })
const trigger = (headers: HeadersInit) => new Request('https://app.test/api/tq-cron', { headers })

async function hasRun({ broker }: ReturnType<typeof setUp>, response: Response): Promise<boolean> {
  const { id } = (await response.json()) as { id: string }
  return (await broker.get([id]))[0]?.state === 'succeeded'
}

test('on Vercel a job that is taken runs after the answer, by the waitUntil of its request', async () => {
  const { app, options, background, ...rest } = setUp()
  const context = { waitUntil: (work: Promise<unknown>) => void background.push(work) }
  Object.assign(globalThis, { [CONTEXT]: { get: () => context } })
  const { fetch: POST } = toVercel(app, options)
  const response = await POST(post())
  expect([response.status, background.length]).toEqual([202, 1])
  await Promise.all(background)
  expect(await hasRun({ app, options, background, ...rest }, response)).toBe(true)
})

test('on Vercel without a request context, as in development, a job is taken all the same', async () => {
  const { app, options } = setUp()
  expect((await toVercel(app, options).fetch(post())).status).toBe(202)
})

test('a cron of Vercel beats and drains for who sends CRON_SECRET, and for nobody else', async () => {
  const { app, options, tq } = setUp()
  const { cron: GET } = toVercel(app, options)
  const job = await tq.enqueue('tidy')
  for (const headers of [{}, BEARER, { authorization: VARIABLES.CRON_SECRET }])
    expect((await GET(trigger(headers))).status).toBe(401)
  expect((await job.get())?.state).toBe('queued')
  const answer = await GET(trigger(CRON_BEARER))
  expect(await answer.json()).toMatchObject({ fired: 0, drained: { ran: 1, left: false } })
  expect((await job.get())?.state).toBe('succeeded')
})

test('without CRON_SECRET a cron of Vercel is closed to everybody', async () => {
  const { app, options } = setUp()
  delete process.env.CRON_SECRET
  const { cron } = toVercel(app, options)
  for (const authorization of ['', 'Bearer ', 'Bearer undefined']) {
    const answer = await cron(trigger({ authorization }))
    expect([answer.status, await answer.text()]).toEqual([500, expect.stringContaining('expected CRON_SECRET to be')])
  }
})

test('on Netlify a job that is taken runs after the answer, by the waitUntil of its context', async () => {
  const { app, options, background, ...rest } = setUp()
  const { fetch: handler } = toNetlify(app, options)
  const response = await handler(post(), { waitUntil: (work) => void background.push(work) })
  expect([response.status, background.length]).toEqual([202, 1])
  await Promise.all(background)
  expect(await hasRun({ app, options, background, ...rest }, response)).toBe(true)
})

test('a scheduled function of Netlify beats and drains', async () => {
  const { app, options, tq } = setUp()
  const { scheduled: handler } = toNetlify(app, options)
  const job = await tq.enqueue('tidy')
  const body = JSON.stringify({ next_run: '2026-11-21T15:01:00.000Z' })
  const answer = await handler(new Request('https://app.test/', { method: 'POST', body }))
  expect(await answer.json()).toMatchObject({ fired: 0, drained: { ran: 1 } })
  expect((await job.get())?.state).toBe('succeeded')
})

test('a plain handler takes its settings from its argument or the environment, and needs no waitUntil', async () => {
  const { app, options, background } = setUp()
  const handle = toFetch(app, options)
  expect((await handle(post({ authorization: 'Bearer another' }))).status).toBe(401)
  expect((await handle(post())).status).toBe(202)
  await handle(post(), VARIABLES, (work) => void background.push(work))
  expect(background.length).toBe(1)
  const unset = await toFetch(app, options)(post(), {})
  expect([unset.status, await unset.text()]).toEqual([500, expect.stringContaining('expected TQ_TOKENS to be')])
})
