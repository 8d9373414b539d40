/** The API is the same wherever it is mounted: at the root, below a path, and in a Hono app of somebody else's. */
import { afterAll, describe, expect, test } from 'bun:test'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Context, Hono } from 'hono'
import { hc } from 'hono/client'
import { cors } from 'hono/cors'
import { httpBroker } from 'tq-edge/brokers/http'
import { createLink } from 'tq-edge/client'
import { type Api, brokerRoutes, createToken } from 'tq-edge/http'
import { createSchedules } from 'tq-edge/scheduler'
import { github, twilio, webhook } from 'tq-edge/webhooks'
import { hmac, toBase64, toBytes } from '../../src/hmac.ts'
import { aJob, app, failed, settle, setUp } from './support.ts'

const TOKEN = 'a-token-for-tests'
const SECRET = 'a-long-random-secret'
const HOST = 'https://app.example'
const MINUTE_MS = 60_000
const { token: READER, record } = await createToken({ scopes: ['read'] })

const webhooks = [
  webhook('/hooks/github', github({ secret: "It's a Secret to Everybody" }), 'anything'),
  webhook('/hooks/twilio', twilio({ secret: SECRET }), 'anything'),
]

type Fetch = (request: Request) => Response | Promise<Response>

interface Mount {
  readonly base: string
  /** What the API is given beside all else. */
  readonly options?: { readonly basePath: string }
  readonly mount: (api: Api) => Fetch
}

/** Another copy of Hono, as whoever has installed another version of it has. */
const folder = mkdtempSync(join(tmpdir(), 'tq-hono-'))
afterAll(() => rmSync(folder, { recursive: true }))
cpSync(join(import.meta.dir, '../../node_modules/hono'), join(folder, 'hono'), { recursive: true, dereference: true })
const { Hono: AnotherHono } = (await import(join(folder, 'hono/dist/index.js'))) as { Hono: typeof Hono }

/** An app that does of its own whatever could get in the API's way. */
function busyApp(): Hono {
  const outer = new Hono()
  outer.onError((_, c) => c.text('the outer app has failed', 500))
  outer.notFound((c) => c.html('<p>the page of all pages</p>', 200))
  outer.use(async (c, next) => {
    c.set('need' as never, 'link' as never)
    c.set('caller' as never, { who: 'me', scopes: [{ kind: 'admin', glob: '*' }] } as never)
    c.set('digest' as never, new Uint8Array(32) as never)
    c.set('counted' as never, 1 as never)
    await c.req.text()
    return next()
  })
  return outer
}

const MOUNTS: Record<string, Mount> = {
  'at the root': { base: '', mount: (api) => api.fetch },
  'in a Hono app': { base: '/tq', mount: (api) => new Hono().route('/tq', api).fetch },
  'in the root of one': { base: '', mount: (api) => new Hono().route('/', api).fetch },
  'in one with a base path, two deep': {
    base: '/api/v1/tq',
    mount: (api) => new Hono().basePath('/api').route('/v1', new Hono().route('/tq', api)).fetch,
  },
  'below a parameter': { base: '/a%2Fb%20%C3%A9/tq', mount: (api) => new Hono().route('/:tenant/tq', api).fetch },
  'in an app with middlewares, errors and pages of its own': {
    base: '/tq',
    mount: (api) => busyApp().route('/tq', api).fetch,
  },
  'in an app of another Hono': { base: '/tq', mount: (api) => new AnotherHono().route('/tq', api).fetch },
  'below a path of its own': { base: '/api/tq', options: { basePath: '/api/tq' }, mount: (api) => api.fetch },
  'below a path of its own, in a Hono app': {
    base: '/app/api/tq',
    options: { basePath: '/api/tq' },
    mount: (api) => new Hono().route('/app', api).fetch,
  },
}

type Row = readonly [method: string, path: string, body?: unknown, headers?: Record<string, string>]

const json = { 'Content-Type': 'application/json' }
const signed = {
  'Content-Type': 'text/plain',
  'X-GitHub-Event': 'push',
  'X-GitHub-Delivery': 'delivery-1',
  'X-Hub-Signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
}

/** What a caller can meet with: each kind of route, of answer and of refusal. */
async function rows(url: string, expiresAtMs: number): Promise<readonly Row[]> {
  const twilioUrl = `${url}/hooks/twilio?a=b`
  const twilioSignature = toBase64(await hmac(toBytes(SECRET), toBytes(`${twilioUrl}Bodyhello`), 'SHA-1'))
  const enqueue = (await createLink(SECRET, { url, task: 'anything', maxBytes: 20, expiresAtMs })).slice(url.length)
  const read = (await createLink(SECRET, { url, job: 'a', expiresAtMs })).slice(url.length)
  const rule = { kind: 'cron', pattern: '0 * * * *', timezone: 'UTC' }
  return [
    ['GET', '/healthz'],
    ['GET', '/healthz?beat=300'],
    ['HEAD', '/readyz'],
    ['POST', '/v1/tasks/anything?id=a', 1],
    ['POST', '/v1/tasks/anything?id=a', 1],
    ['POST', '/v1/tasks/anything', 1, { 'Idempotency-Key': 'once' }],
    ['POST', '/v1/tasks/anything', 1, { 'Idempotency-Key': 'once' }],
    ['POST', '/v1/tasks/v1?id=a', 1],
    ['POST', '/v1/tasks/email.sned', {}],
    ['POST', '/v1/tasks/email.send', { to: 1 }],
    ['POST', '/v1/tasks/anything', '{'],
    ['POST', '/v1/tasks/anything', 'x', { 'Content-Type': 'text/plain' }],
    ['POST', '/v1/tasks/anything', 'x'.repeat(2_000)],
    ['POST', '/v1/jobs', { task: 'anything', id: 'b/c' }],
    ['POST', '/v1/jobs', [{ task: 'anything' }, { task: 'nothing' }]],
    ['POST', '/v1/jobs', [{ task: 'anything' }, { task: 'anything', id: 'a', input: 5 }]],
    ['GET', '/v1/jobs?limit=1'],
    ['GET', '/v1/jobs/a'],
    ['GET', '/v1/jobs/a', undefined, { 'If-None-Match': '*' }],
    ['GET', '/v1/jobs/b%2Fc'],
    ['GET', '/v1/jobs/nobody'],
    ['GET', '/v1/jobs/failed/result'],
    ['GET', '/v1/jobs/failed/events'],
    ['POST', '/v1/jobs/a/cancel', undefined, { 'If-Match': '"9.0000000000000000"' }],
    ['POST', '/v1/jobs/a/cancel'],
    ['POST', '/v1/jobs/failed/cancel'],
    ['POST', '/v1/jobs/retry', { queue: 'default', state: 'failed', dryRun: true }],
    ['GET', '/v1/queues'],
    ['POST', '/v1/queues/default/pause'],
    ['GET', '/v1/workers'],
    ['PUT', '/v1/schedules/v1', { task: 'anything', rule, input: 1 }],
    ['GET', '/v1/schedules/v1'],
    ['POST', '/v1/schedules/v1/run?id=now'],
    ['POST', '/v1/exchange', { lane: 'a.1.0', seq: 1, queues: ['default'] }],
    ['POST', '/v1/broker/stats', { arguments: [] }],
    ['POST', enqueue, 'short', { Authorization: '' }],
    ['POST', enqueue, 2, { Authorization: '' }],
    ['POST', enqueue, 'x'.repeat(30), { Authorization: '' }],
    ['GET', read, undefined, { Authorization: '' }],
    ['GET', read.replace('?link=', '?link=x'), undefined, { Authorization: '' }],
    ['POST', '/hooks/github', 'Hello, World!', signed],
    ['POST', '/hooks/github', 'Hello, World?', signed],
    [
      'POST',
      '/hooks/twilio?a=b',
      'Body=hello',
      {
        'Content-Type': 'application/x-www-form-urlencoded',
        'X-Twilio-Signature': twilioSignature,
        'I-Twilio-Idempotency-Token': 'delivery-2',
      },
    ],
    ['GET', '/v1/jobs', undefined, { Authorization: '' }],
    ['GET', '/v1/jobs', undefined, { Authorization: 'Bearer another' }],
    ['GET', '/v1/jobs', undefined, { Authorization: `Bearer ${READER}` }],
    ['POST', '/v1/tasks/anything', 1, { Authorization: `Bearer ${READER}` }],
    ['DELETE', '/v1/jobs/a', undefined, { Authorization: `Bearer ${READER}` }],
    ['POST', '/v1/broker/stats', { arguments: [] }, { Authorization: `Bearer ${READER}` }],
    ['PUT', '/v1/jobs'],
    ['PUT', '/v1/jobs', undefined, { Authorization: '' }],
    ['PATCH', '/healthz'],
    ['GET', '/hooks/github'],
    ['GET', '/v1/nothing'],
    ['GET', '/v1/nothing', undefined, { Authorization: '' }],
    ['GET', '/nothing'],
    ['POST', '/'],
    ['GET', ''],
  ]
}

/** What the API answers to all of them, in order, with what is different by its place left out. */
async function answers({ base, options, mount }: Mount) {
  const scene = setUp({
    app,
    tokens: [TOKEN, record],
    linkSecrets: [SECRET],
    limits: { perToken: { calls: 1_000, windowMs: MINUTE_MS } },
    maxBodyBytes: 1_000,
    webhooks,
    brokerRoutes,
    schedules: (given) => createSchedules({ ...given, app }),
    ...options,
  })
  await scene.broker.enqueue([aJob('failed')])
  await settle(scene.broker, failed('failed', 'no route'))
  const fetch = mount(scene.api)
  const answered = []
  for (const [method, path, body, headers] of await rows(HOST + base, scene.clock.now() + MINUTE_MS)) {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const init = { method, headers: { Authorization: `Bearer ${TOKEN}`, ...json, ...headers } }
    const response = await fetch(new Request(HOST + base + path, text === undefined ? init : { ...init, body: text }))
    const got = decodeURI(base)
    answered.push({
      request: `${method} ${path.replace(/link=.*/, 'link=')}`,
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: (await response.text()).replace(`got ${got}"`, 'got /"').replace(`got ${got}/`, 'got /'),
    })
  }
  const events = scene.events.map((event) => (event.kind === 'http.request' ? { ...event, path: '' } : event))
  return { answered, events, scene, fetch }
}

const atRoot = await answers(MOUNTS['at the root'] as Mount)

test('the table meets with every status that the API has', () => {
  const statuses = new Set(atRoot.answered.map(({ status }) => status))
  expect([...statuses].sort()).toEqual([200, 201, 202, 207, 304, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 503])
  expect(atRoot.answered.filter(({ headers }) => headers.location)).not.toEqual([])
})

describe.each(Object.entries(MOUNTS))('%s', (_, mounted) => {
  test('every answer is what it is at the root, its addresses those of the mount', async () => {
    const { answered, events } = await answers(mounted)
    const moved = atRoot.answered.map(
      ({ headers: { location, 'strict-transport-security': tls, ...headers }, ...answer }) => ({
        ...answer,
        headers: {
          ...headers,
          // Of a host that others serve as well it is not for the API to say.
          ...(mounted.base === '' && { 'strict-transport-security': tls }),
          ...(location !== undefined && { location: mounted.base + location }),
        },
      }),
    )
    for (const [at, answer] of answered.entries()) expect(answer).toEqual(moved[at] as typeof answer)
    expect(events).toEqual(atRoot.events)
  })
})

describe('the app that mounts it', () => {
  test('has its other routes, errors and pages as without it', async () => {
    const { api, events } = setUp({ tokens: [TOKEN] })
    const answersOf = async (mount: (outer: Hono) => Hono) => {
      const outer = mount(new Hono().get('/v1/jobs', (c) => c.text('jobs of its own')))
        .get('/tqx', (c) => c.text('not below it'))
        .get('/fails', () => Promise.reject(new Error('of its own')))
        .onError((error, c) => c.text(error.message, 500))
      const paths = ['/v1/jobs', '/tqx', '/fails', '/nothing']
      const answered = await Promise.all(paths.map((path) => outer.request(path)))
      return Promise.all(answered.map(async (answer) => [answer.status, [...answer.headers], await answer.text()]))
    }
    expect(await answersOf((outer) => outer.route('/tq', api))).toEqual(await answersOf((outer) => outer))
    expect(events).toEqual([])
  })

  test('may put middlewares of its own before it', async () => {
    const { api } = setUp({ tokens: [TOKEN] })
    const outer = new Hono().use(cors({ origin: HOST })).route('/tq', api)
    const Origin = { Origin: HOST }
    const preflight = await outer.request('/tq/v1/jobs', {
      method: 'OPTIONS',
      headers: { ...Origin, 'Access-Control-Request-Method': 'GET' },
    })
    expect([preflight.status, preflight.headers.get('Access-Control-Allow-Origin')]).toEqual([204, HOST])
    const refused = await outer.request('/tq/v1/jobs', { headers: Origin })
    expect([refused.status, refused.headers.get('Access-Control-Allow-Origin')]).toEqual([401, HOST])
  })

  const FORM = 'application/x-www-form-urlencoded'
  const reads: readonly [how: string, read: (c: Context) => Promise<unknown>, type: string, status: number][] = [
    ['json()', (c) => c.req.json(), 'application/json', 202],
    ['arrayBuffer()', (c) => c.req.arrayBuffer(), 'application/json', 202],
    ['clone()', (c) => c.req.raw.clone().text(), 'application/json', 202],
    ['raw.text()', (c) => c.req.raw.text(), 'application/json', 500],
    ['formData()', (c) => c.req.formData(), FORM, 500],
  ]
  test.each(reads)('may have read the body by %s: it is as it was, or that is said', async (_, read, type, status) => {
    const { api, broker } = setUp()
    const outer = new Hono().use(async (c, next) => {
      await read(c)
      return next()
    })
    const init = { method: 'POST', body: '"text"', headers: { 'Content-Type': type } }
    const response = await outer.route('/tq', api).request('/tq/v1/tasks/anything', init)
    expect(response.status).toBe(status)
    if (status === 202) expect((await broker.list({ limit: 1 })).jobs).toMatchObject([{ input: '"text"' }])
    else
      expect(await response.json()).toMatchObject({
        type: 'urn:tq:problem:body-read',
        detail: expect.stringContaining('put the API before what parses bodies'),
      })
  })

  test('may be given a body whose bytes are gone: it is never taken for none', async () => {
    const { api, broker } = setUp()
    const init = { method: 'POST', headers: { 'Content-Length': '6' } }
    const response = await api.request('/v1/tasks/anything', init)
    expect([response.status, (await response.json()).detail]).toEqual([
      400,
      expect.stringMatching(/got nothing of it: send it again, or put the API before what parses bodies/),
    ])
    expect((await broker.list({ limit: 1 })).jobs).toEqual([])
  })

  test('has a client that is typed through the mount', async () => {
    const { api } = setUp()
    const routes = new Hono().basePath('/api').route('/tq', api)
    const client = hc<typeof routes>('http://localhost', { fetch: routes.request })
    const posted = await client.api.tq.v1.tasks[':task'].$post({ param: { task: 'greet' }, query: {}, json: 1 })
    const { id } = await posted.json()
    expect(id satisfies string).toBe('id-1')
    // @ts-expect-error there is no such route
    client.api.tq.v1.nothing
  })
})

test('a page of another site is refused below a path as well', async () => {
  const { api } = setUp()
  const outer = new Hono().route('/tq', api)
  for (const [origin, status] of [
    ['https://evil.example', 403],
    ['http://localhost', 202],
  ] as const) {
    const response = await outer.request('/tq/v1/tasks/anything', { method: 'POST', headers: { Origin: origin } })
    expect(response.status).toBe(status)
  }
})

test('a server below a path is a broker', async () => {
  const { api } = setUp({ tokens: [TOKEN], brokerRoutes })
  const outer = new Hono().route('/tq', api)
  const broker = httpBroker({ url: `${HOST}/tq`, token: TOKEN, fetch: outer.request })
  await broker.enqueue([aJob('a')])
  expect(await broker.get(['a'])).toMatchObject([{ id: 'a', state: 'queued' }])
})

test('what is not below the base path is told where the API is', async () => {
  const { api } = setUp({ basePath: '/api/tq' })
  for (const path of ['/v1/jobs', '/api/tqx/v1/jobs', '/']) {
    const response = await api.request(path)
    expect(response.status).toBe(404)
    expect((await response.json()).detail).toBe(`expected a path below /api/tq, got ${path}`)
  }
})

test.each(['api', '/api/', '/', '/api//tq', '/:tenant', '/api/*', '/a b', '/../tq', '/api?a', 7 as never])(
  'a base path that is none is refused: %p',
  (basePath) => {
    expect(() => setUp({ basePath })).toThrow(
      /^expected basePath to be a path such as \/api\/tq, without a \/ at its end, got/,
    )
  },
)
