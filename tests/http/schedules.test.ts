import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { hc } from 'hono/client'
import { defineApp, defineTask, type Schedules } from 'tq-edge'
import type { createApi } from 'tq-edge/http'
import { createSchedules, custom, deploySchedules, every } from 'tq-edge/scheduler'
import { SECRET, setUp as setUpApi, app as tasksOnly } from './support.ts'

const anything = defineTask({ name: 'anything', run: () => {} })
const app = defineApp({
  name: 'shop',
  tasks: [...tasksOnly.tasks.values()],
  schedules: [every('declared', '1h', { task: anything })],
})

function setUp({ knowsApp = true } = {}) {
  const scene = setUpApi({ schedules: (given) => createSchedules({ ...given, ...(knowsApp ? { app } : {}) }) })
  const { api } = scene
  const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    api.request(`/v1/schedules${path}`, {
      method,
      headers: { 'Content-Type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  return { ...scene, send, deploy: () => deploySchedules({ ...scene, app, stampMs: 1 }) }
}

const hourly = { task: 'anything', rule: { kind: 'cron', pattern: '0 * * * *', timezone: 'Europe/Oslo' } } as const
const NAMES = ['report', 'a/b', 'customer:7/report', 'pause', 'x/pause']
const path = (name: string) => `/${encodeURIComponent(name)}`

test('a schedule is run over REST, once for an id, and its history tells of it', async () => {
  const { send } = setUp()
  await send('PUT', '/report', { ...hourly, input: { to: 'a' }, overlap: 'skip' })
  const ran = await send('POST', '/report/run?id=mine', { to: 'b' })
  expect([ran.status, ran.headers.get('Location'), await ran.json()]).toEqual([
    202,
    '/v1/jobs/mine',
    { jobId: 'mine', outcome: 'fired' },
  ])
  expect(await (await send('POST', '/report/run?id=mine')).json()).toEqual({ jobId: 'mine', outcome: 'existing' })
  const skipped = await send('POST', '/report/run')
  expect([skipped.status, await skipped.json()]).toEqual([200, { jobId: null, outcome: 'skipped' }])
  const { runs } = await (await send('GET', '/report/history')).json()
  expect(runs).toMatchObject([{ outcome: 'skipped' }, { jobId: 'mine', state: 'queued', manual: true }])
  for (const path of ['/nothing/run', '/report/run?idd=1'])
    expect((await send('POST', path)).status).toBeOneOf([400, 404])
  expect((await send('GET', '/nothing/history')).status).toBe(404)
})

test.each(NAMES)('a schedule named %s is made, read, paused, resumed, foretold and removed', async (name) => {
  const { send, clock } = setUp()
  const made = await send('PUT', path(name), { ...hourly, input: { to: 'a' } })
  const dueAtMs = clock.now() + 3_600_000
  expect([made.status, made.headers.get('ETag')]).toEqual([201, '"1"'])
  const view = await made.json()
  expect(view).toMatchObject({ name, app: 'shop', input: { to: 'a' }, origin: 'runtime', revision: 1, dueAtMs })

  const read = await send('GET', path(name))
  expect([read.status, read.headers.get('ETag'), await read.json()]).toEqual([200, '"1"', view])

  const paused = await send('POST', `${path(name)}/pause`)
  expect([paused.status, paused.headers.get('ETag')]).toEqual([200, '"2"'])
  expect(await paused.json()).toMatchObject({ paused: true, dueAtMs: null })
  const resumed = await send('POST', `${path(name)}/resume`)
  expect(await resumed.json()).toMatchObject({ paused: false, dueAtMs, revision: 3 })

  const next = await send('GET', `${path(name)}/next?count=2&afterMs=${dueAtMs}`)
  expect([next.status, await next.json()]).toEqual([200, { dueAtMs: [dueAtMs + 3_600_000, dueAtMs + 7_200_000] }])

  const removed = await send('DELETE', path(name))
  expect([removed.status, await removed.text()]).toEqual([204, ''])
  expect((await send('GET', path(name))).status).toBe(404)
})

test('a schedule is replaced as a whole, and the answer says that it was there', async () => {
  const { send } = setUp()
  await send('PUT', '/report', { ...hourly, priority: 5 })
  const replaced = await send('PUT', '/report', { ...hourly, queue: 'mail' })
  expect([replaced.status, replaced.headers.get('ETag')]).toEqual([200, '"2"'])
  expect(await replaced.json()).toMatchObject({ queue: 'mail', priority: 0 })
})

test('schedules are listed a page at a time, those of every kind', async () => {
  const { send, deploy, clock } = setUp()
  await deploy()
  for (const name of ['b', 'c']) await send('PUT', path(name), hourly)
  await send('PUT', '/declared', hourly)
  const first = await (await send('GET', '?limit=2')).json()
  expect(first).toMatchObject({
    schedules: [{ name: 'b' }, { name: 'c', origin: 'runtime' }],
    cursor: 'c',
    nowMs: clock.now(),
  })
  expect(await (await send('GET', '?limit=2&cursor=c')).json()).toMatchObject({
    schedules: [{ name: 'declared', origin: 'app', overridden: true }],
    cursor: null,
  })
  expect(await (await send('GET', '?app=another')).json()).toMatchObject({ schedules: [], cursor: null })
})

const CONDITIONS: [what: string, method: string, path: string, headers: Record<string, string>, status: number][] = [
  ['adds what is not there', 'PUT', '/new', { 'If-None-Match': '*' }, 201],
  ['does not add what is there', 'PUT', '/report', { 'If-None-Match': '*' }, 412],
  ['replaces what it has seen', 'PUT', '/report', { 'If-Match': '"1"' }, 200],
  ['replaces one of what it has seen', 'PUT', '/report', { 'If-Match': '"7", "1"' }, 200],
  ['replaces whatever is there', 'PUT', '/report', { 'If-Match': '*' }, 200],
  ['does not replace what has moved on', 'PUT', '/report', { 'If-Match': '"2"' }, 412],
  ['does not replace by a weak tag', 'PUT', '/report', { 'If-Match': 'W/"1"' }, 412],
  ['does not replace by an empty condition', 'PUT', '/report', { 'If-Match': '' }, 412],
  ['does not replace by no tag', 'PUT', '/report', { 'If-Match': '1' }, 412],
  ['does not replace what is not there', 'PUT', '/new', { 'If-Match': '*' }, 412],
  ['does not add by a tag', 'PUT', '/new', { 'If-Match': '"0"' }, 412],
  ['does not take a tag for one that is not there', 'PUT', '/new', { 'If-None-Match': '"1"' }, 400],
  ['pauses what it has seen', 'POST', '/report/pause', { 'If-Match': '"1"' }, 200],
  ['does not pause what has moved on', 'POST', '/report/pause', { 'If-Match': '"2"' }, 412],
  ['does not resume what has moved on', 'POST', '/report/resume', { 'If-Match': '"2"' }, 412],
  ['removes what it has seen', 'DELETE', '/report', { 'If-Match': '"1"' }, 204],
  ['does not remove what has moved on', 'DELETE', '/report', { 'If-Match': '"2"' }, 412],
]

test.each(CONDITIONS)('a request %s', async (_, method, at, headers, status) => {
  const { send } = setUp()
  await send('PUT', '/report', hourly)
  const response = await send(method, at, method === 'PUT' ? { ...hourly, priority: 5 } : undefined, headers)
  expect(response.status).toBe(status)
  if (status === 412) expect(await response.json()).toMatchObject({ type: 'urn:tq:problem:changed' })
})

const rule = (given: object) => ({ ...hourly, rule: given })
const BAD: [what: string, method: string, path: string, body: unknown, status: number, kind: string, says: string][] = [
  [
    'a zone that there is not',
    'PUT',
    '/x',
    rule({ ...hourly.rule, timezone: 'Mars/Oslo' }),
    400,
    'invalid-request',
    'IANA time zone',
  ],
  ['a pattern that is none', 'PUT', '/x', rule({ kind: 'cron', pattern: 'H' }), 400, 'invalid-request', 'five fields'],
  [
    'a year in the past',
    'PUT',
    '/x',
    rule({ kind: 'cron', pattern: '0 0 0 1 1 * 2020' }),
    400,
    'invalid-request',
    'never due',
  ],
  ['a moment in the past', 'PUT', '/x', rule({ kind: 'at', atMs: 5 }), 400, 'invalid-request', 'from now on'],
  ['an interval of 0', 'PUT', '/x', rule({ kind: 'every', everyMs: 0 }), 400, 'invalid-request', 'interval'],
  [
    'an end before its start',
    'PUT',
    '/x',
    rule({ kind: 'every', everyMs: 1_000, startAtMs: 9e12, endAtMs: 8e12 }),
    400,
    'invalid-request',
    'endAt',
  ],
  ['an unknown field', 'PUT', '/x', { ...hourly, delay: 5 }, 400, 'invalid-request', 'delay'],
  ['what looks declared', 'PUT', '/x', { ...hourly, next: 5 }, 400, 'invalid-request', '"next"'],
  ['a name in the body', 'PUT', '/x', { ...hourly, name: 'y' }, 400, 'invalid-request', 'name'],
  ['a list', 'PUT', '/x', [hourly], 400, 'invalid-request', 'object'],
  ['nothing', 'PUT', '/x', undefined, 400, 'invalid-request', '"task"'],
  ['a name that cannot be', 'PUT', '/a%20b', hourly, 400, 'invalid-request', 'name of a schedule'],
  ['a half encoded name', 'PUT', '/%E0%A4%A', hourly, 400, 'invalid-request', 'name of a schedule'],
  [
    'a task that the app lacks',
    'PUT',
    '/x',
    { ...hourly, task: 'anythin' },
    404,
    'unknown-task',
    'did you mean "anything"',
  ],
  [
    'an input that the task refuses',
    'PUT',
    '/x',
    { ...hourly, task: 'email.send', input: { to: SECRET } },
    422,
    'invalid-input',
    'to',
  ],
  [
    'an input that is late to be refused',
    'PUT',
    '/x',
    { ...hourly, task: 'checked.late', input: SECRET },
    422,
    'invalid-input',
    'right text',
  ],
  ['a name that nobody has', 'GET', '/x', undefined, 404, 'unknown-schedule', '"x"'],
  ['the next of nobody', 'GET', '/x/next', undefined, 404, 'unknown-schedule', '"x"'],
  ['a pause of nobody', 'POST', '/x/pause', undefined, 404, 'unknown-schedule', '"x"'],
  ['a removal of nobody', 'DELETE', '/x', undefined, 404, 'unknown-schedule', '"x"'],
  [
    'a removal of what the file declares',
    'DELETE',
    '/declared',
    undefined,
    409,
    'schedule-declared',
    'take it out of the file',
  ],
  ['a limit of 0', 'GET', '?limit=0', undefined, 400, 'invalid-request', 'from 1 to 1000'],
  ['a parameter that there is not', 'GET', '?name=x', undefined, 400, 'invalid-request', 'nothing but'],
  ['too many due times', 'GET', '/declared/next?count=1001', undefined, 400, 'invalid-request', 'from 1 to 1000'],
  [
    'a moment beyond all dates',
    'GET',
    '/declared/next?afterMs=8640000000000000',
    undefined,
    400,
    'invalid-request',
    'afterMs',
  ],
  ['a part of a millisecond', 'GET', '/declared/next?afterMs=1.5', undefined, 400, 'invalid-request', 'afterMs'],
]

test.each(BAD)('%s is refused with what to do instead', async (_, method, at, body, status, kind, says) => {
  const { send, deploy } = setUp()
  await deploy()
  const response = await send(method, at, body)
  const problem = (await response.json()) as { detail: string; errors?: readonly { path: string }[] }
  expect([response.status, problem]).toMatchObject([status, { status, type: `urn:tq:problem:${kind}` }])
  expect(problem.detail).toContain(says)
  expect(JSON.stringify(problem)).not.toContain(SECRET)
  if (status === 422) expect(problem.errors?.every((issue) => issue.path.startsWith('input'))).toBe(true)
})

test('a change that gets ahead of a conditional one is not overwritten', async () => {
  let others: Schedules | undefined
  const { api, broker, clock } = setUpApi({
    schedules: (given) => createSchedules({ ...given, app }),
    wrap: (own) => ({
      async schedules(query) {
        const page = await own.schedules(query)
        await others?.pause('report')
        return page
      },
    }),
  })
  const schedules = createSchedules({ broker, clock, app })
  await schedules.add({ name: 'report', ...hourly })
  others = schedules
  const response = await api.request('/v1/schedules/report', {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json', 'If-Match': '"1"' },
    body: JSON.stringify({ ...hourly, priority: 5 }),
  })
  expect([response.status, await response.json()]).toMatchObject([412, { type: 'urn:tq:problem:changed' }])
  expect(await schedules.get('report')).toMatchObject({ priority: 0, paused: true })
})

test('the schedule of another app is none, and its name is taken', async () => {
  const { send, ...scene } = setUp()
  const others = createSchedules({ ...scene, appName: 'another' })
  await others.add({ name: 'report', ...hourly })
  expect((await send('GET', '/report')).status).toBe(404)
  const taken = await send('PUT', '/report', hourly)
  expect([taken.status, await taken.json()]).toMatchObject([409, { type: 'urn:tq:problem:schedule-exists' }])
})

test('what only the app’s code can tell is 409 where that is not known', async () => {
  const { send, ...scene } = setUp({ knowsApp: false })
  const own = custom('own', { next: (afterMs) => afterMs + 5 }, { task: anything })
  await deploySchedules({ ...scene, app: { ...app, schedules: [own] }, stampMs: 1 })
  const response = await send('GET', '/own/next')
  expect([response.status, await response.json()]).toMatchObject([409, { type: 'urn:tq:problem:schedule-unreadable' }])
})

test('an API that was given no schedules has no such paths', async () => {
  const { api } = setUpApi()
  for (const at of ['', '/x', '/x/next'])
    expect(await (await api.request(`/v1/schedules${at}`)).json()).toMatchObject({
      status: 404,
      type: 'urn:tq:problem:unknown-route',
    })
})

test.each([
  ['POST', '', 'GET, HEAD'],
  ['POST', '/x', 'GET, HEAD, PUT, DELETE'],
  ['GET', '/x/pause', 'POST'],
])('%s /v1/schedules%s is told what it may do', async (method, at, allow) => {
  const response = await setUp().send(method, at)
  expect([response.status, response.headers.get('Allow')]).toEqual([405, allow])
})

test('no schedule that is sent does worse than to be refused', async () => {
  const { api } = setUp()
  const patterns = fc.oneof(fc.constant('0 * * * *'), fc.string())
  const rules = fc.oneof(
    fc.jsonValue(),
    fc.record({ kind: fc.constant('cron'), pattern: patterns, timezone: fc.oneof(fc.constant('UTC'), fc.string()) }),
    fc.record({ kind: fc.constant('every'), everyMs: fc.oneof(fc.integer(), fc.double()), startAtMs: fc.double() }),
    fc.record({ kind: fc.constant('at'), atMs: fc.oneof(fc.integer(), fc.double()), jitterMs: fc.integer() }),
  )
  const bodies = fc.oneof(
    fc.json(),
    fc.record({ task: fc.constant('anything'), rule: rules }).map((body) => JSON.stringify(body)),
  )
  await fc.assert(
    fc.asyncProperty(fc.string(), bodies, async (name, body) => {
      const headers = { 'Content-Type': 'application/json' }
      const { status } = await api.request(`/v1/schedules/${encodeURIComponent(name)}`, {
        method: 'PUT',
        headers,
        body,
      })
      expect([200, 201, 400, 404, 405, 422]).toContain(status)
    }),
    { numRuns: 500, seed: 2026 },
  )
})

test('a typed client makes a schedule and reads it back', async () => {
  const { api } = setUp()
  const client = hc<ReturnType<typeof createApi>>('http://localhost', { fetch: api.request })
  const named = { param: { name: 'report' } }
  const made = await client.v1.schedules[':name'].$put({ ...named, json: hourly })
  const { revision } = await made.json()
  expect(revision satisfies number).toBe(1)
  expect((await (await client.v1.schedules.$get({ query: { limit: '5' } })).json()).schedules).toHaveLength(1)
  const next = await client.v1.schedules[':name'].next.$get({ ...named, query: {} })
  expect((await next.json()).dueAtMs).toHaveLength(10)
  expect((await client.v1.schedules[':name'].pause.$post(named)).status).toBe(200)
  expect((await client.v1.schedules[':name'].$delete(named)).status).toBe(204)
  // @ts-expect-error a schedule has a rule
  expect((await client.v1.schedules[':name'].$put({ ...named, json: { task: 'anything' } })).status).toBe(400)
})
