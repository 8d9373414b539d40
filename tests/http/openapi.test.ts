import { expect, test } from 'bun:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { defineApp, defineTask } from 'tq-edge'
import { createLink } from 'tq-edge/client'
import { brokerRoutes, createToken } from 'tq-edge/http'
import { openApi } from 'tq-edge/openapi'
import { createSchedules } from 'tq-edge/scheduler'
import * as v from 'valibot'
import type { Document, Parameter } from '../../src/http/openapi/document.ts'
import { JOB_STATES } from '../../src/words.ts'
import { type Call, callsOf, createCheck, toRequest } from './documented.ts'
import { aJob, app, failed, settle, setUp } from './support.ts'

const SECRET = 'a-long-random-secret'
/** Those that make every call, on a machine that has much else to do. */
const TIMEOUT_MS = 60_000
const ADMIN = 'a-long-random-token'

const greet = defineTask({ name: 'greet', input: v.object({ name: v.string() }), run: () => {} })
const own = defineApp({ tasks: [greet] })

type Setup = ReturnType<typeof setUp>

/** An API with all that there is to be documented. */
const setUpAll = (options: Parameters<typeof setUp>[0] = {}) =>
  setUp({
    app: own,
    linkSecrets: [SECRET],
    schedules: (given) => createSchedules({ ...given, appName: 'shop' }),
    openapi: openApi(),
    maxEvents: 100,
    ...options,
  })

async function documentOf({ api }: Setup, headers: Record<string, string> = {}): Promise<Document> {
  return (await (await api.request('/openapi.json', { headers })).json()) as Document
}

const all = await documentOf(setUpAll())
const calls = callsOf(all)

test.each([
  ['of everything', all],
  ['of an API with nothing but a broker', await documentOf(setUp({ openapi: openApi() }))],
  ['of an app with tasks of every kind of schema', await documentOf(setUpAll({ app }))],
])('the document %s is valid OpenAPI 3.1', async (_, document) => {
  const { valid, errors } = await new Validator().validate({ ...document })
  expect([valid, errors]).toEqual([true, undefined])
  expect(document.openapi).toMatch(/^3\.1\./)
})

/** What is tq's own protocol, or the app's affair, and so no part of the document. */
const UNTOLD = /^\/v1\/broker\/|^\/hooks\/|^\/openapi\.json$|^\/docs/

test('the document has each route of the API, and no other', () => {
  const { api } = setUpAll({ brokerRoutes, app: defineApp({ tasks: [] }) })
  const routes = api.routes
    .filter(({ method, path }) => method !== 'ALL' && !UNTOLD.test(path))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)
  const general = calls.filter(({ operation }) => operation.tags[0] !== 'Tasks of this app')
  expect([...new Set(routes)].sort()).toEqual(general.map(({ method, path }) => `${method} ${path}`).sort())
})

test('what an API was not given is not in its document', async () => {
  const { paths } = await documentOf(setUp({ openapi: openApi() }))
  expect(Object.keys(paths).filter((path) => /schedules|links/.test(path))).toEqual([])
  expect((await setUp().api.request('/openapi.json')).status).toBe(404)
  expect((await setUp().api.request('/docs')).status).toBe(404)
})

/** What has to be there before a call is made by its example. */
const BEFORE: Readonly<Record<string, (setup: Setup) => unknown>> = {
  getJob: enqueueAda,
  getJobResult: enqueueAda,
  watchJob: enqueueAda,
  removeJob: enqueueAda,
  cancelJob: enqueueAda,
  getLinkedJob: enqueueAda,
  getLinkedJobResult: enqueueAda,
  promoteJob: ({ broker }) => broker.enqueue([aJob('welcome-ada', { delayMs: 60_000 })]),
  async retryJob({ broker }) {
    await broker.enqueue([aJob('welcome-ada')])
    await settle(broker, failed('welcome-ada', 'no route'))
  },
  getSchedule: setNightly,
  removeSchedule: setNightly,
  pauseSchedule: setNightly,
  resumeSchedule: setNightly,
  runSchedule: setNightly,
  getScheduleHistory: setNightly,
  getScheduleNext: setNightly,
}

async function enqueueAda({ broker }: Setup): Promise<void> {
  await broker.enqueue([aJob('welcome-ada')])
}

async function setNightly({ api }: Setup, more: object = {}): Promise<void> {
  const body = { task: 'greet', input: { name: 'Ada' }, rule: { kind: 'every', everyMs: 60_000 }, ...more }
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${ADMIN}` }
  await api.request('/v1/schedules/nightly', { method: 'PUT', headers, body: JSON.stringify(body) })
}

const bodiesOf = ({ operation: { operationId, requestBody } }: Call): readonly unknown[] => {
  if (operationId === 'enqueueGreet') return [{ name: 'Ada' }]
  return Object.values(requestBody?.content['application/json']?.examples ?? {}).map(({ value }) => value)
}

const required = (parameter: Parameter) => (parameter.required ? parameter.example : undefined)
const inQuery = (parameter: Parameter) => (parameter.in === 'header' ? undefined : parameter.example)

/** The link that a call wants, which stands for a token. */
async function withLink({ path, method, operation }: Call, request: Request): Promise<Request> {
  if (!operation.security.some((scheme) => 'link' in scheme)) return request
  const what = method === 'POST' ? { task: 'greet' } : { job: 'welcome-ada' }
  const link = await createLink(SECRET, { url: 'http://localhost', ...what, expiresAtMs: 4_102_444_800_000 })
  const url = new URL(request.url)
  url.searchParams.set('link', new URL(link).searchParams.get('link') ?? '')
  expect(url.pathname).toBe(path)
  return new Request(url, request)
}

const check = createCheck(all)

/** Makes a call by what the document says of it, on an API of its own, and checks the answer by it. */
async function make(call: Call, given: Parameters<typeof toRequest>[1], setup = setUpAll()): Promise<number> {
  const response = await setup.api.fetch(await withLink(call, toRequest(call, given)))
  await check(call, response)
  return response.status
}

test.each(calls.map((call) => [call.operation.operationId, call] as const))(
  '%s does by its examples what the document says',
  async (operationId, call) => {
    const bodies = call.operation.requestBody?.required ? bodiesOf(call) : [undefined, ...bodiesOf(call)]
    for (const body of bodies)
      for (const values of [required, inQuery]) {
        const setup = setUpAll()
        await BEFORE[operationId]?.(setup)
        // An app's task may well want an input where the route does not.
        const wants = body === undefined && /^enqueue(Task|LinkedJob)$/.test(operationId)
        const status = await make(call, { values, body }, setup)
        expect([operationId, status < 300 ? 'done' : status]).toEqual([operationId, wants ? 422 : 'done'])
      }
  },
)

test(
  'every header that a call takes is answered as the document says, whatever it asks for',
  async () => {
    for (const call of calls)
      for (const header of call.operation.parameters.filter((parameter) => parameter.in === 'header')) {
        const setup = setUpAll()
        await BEFORE[call.operation.operationId]?.(setup)
        const values = (parameter: Parameter) => (parameter === header ? header.example : required(parameter))
        await make(call, { values, body: bodiesOf(call)[0] }, setup)
      }
  },
  TIMEOUT_MS,
)

/** Answers that take more than an example. */
const RARE: readonly [id: string, status: number, prepare: (setup: Setup) => unknown, given?: object][] = [
  [
    'enqueueJobs',
    207,
    ({ broker }) => broker.enqueue([aJob('taken')]),
    { body: [taken(), { ...taken(), id: 'free' }] },
  ],
  ['getJobResult', 200, finishAda],
  ['getLinkedJobResult', 200, finishAda],
  ['getJob', 304, enqueueAda, { headers: { 'If-None-Match': '*' } }],
  ['watchJob', 204, finishAda, { seen: true }],
  ['cancelJob', 202, claimAda],
  ['setSchedule', 200, setNightly],
  ['runSchedule', 200, (setup) => runTwice(setup)],
]

function taken() {
  return { task: 'greet', input: { name: 'Ada' }, id: 'taken' }
}

async function finishAda(setup: Setup): Promise<void> {
  await enqueueAda(setup)
  await settle(setup.broker, failed('welcome-ada', 'no route'))
}

async function claimAda(setup: Setup): Promise<void> {
  await enqueueAda(setup)
  await setup.post('/v1/exchange', { lane: 'w.1.0', seq: 1, want: 1 })
}

async function runTwice(setup: Setup): Promise<void> {
  await setNightly(setup, { overlap: 'skip' })
  await setup.post('/v1/schedules/nightly/run')
}

test.each(RARE)('%s answers %d as the document says', async (id, status, prepare, given = {}) => {
  const setup = setUpAll()
  await prepare(setup)
  const call = calls.find(({ operation }) => operation.operationId === id) as Call
  const {
    body = bodiesOf(call)[0],
    headers,
    seen,
  } = given as { body?: unknown; headers?: Record<string, string>; seen?: true }
  const tag = seen && (await setup.get('/v1/jobs/welcome-ada')).headers.get('ETag')?.replaceAll('"', '')
  const values = (parameter: Parameter) =>
    parameter.name === 'Last-Event-ID' ? (tag ?? undefined) : required(parameter)
  expect(await make(call, { values, body, ...(headers && { headers }) }, setup)).toBe(status)
})

test('every success that the document has is answered by an example, or tested by itself', () => {
  const rare = new Set(RARE.map(([id, status]) => `${id} ${status}`))
  const untested = calls.filter(({ operation: { operationId, responses } }) => {
    const usual = Object.keys(responses).filter(
      (status) => Number(status) < 400 && !rare.has(`${operationId} ${status}`),
    )
    return usual.length !== 1
  })
  expect(untested.map(({ operation }) => operation.operationId)).toEqual([])
})

test(
  'each call asks for a token with the scope that it is documented with, and for no more',
  async () => {
    const { api } = setUpAll({ tokens: [ADMIN] })
    for (const call of calls) {
      const request = toRequest(call, { values: required, body: bodiesOf(call)[0] })
      const response = await api.fetch(request)
      const [scheme] = call.operation.security
      const expected = !scheme ? 200 : 'link' in scheme ? 403 : 401
      expect([call.operation.operationId, response.status]).toEqual([call.operation.operationId, expected])
      await check(call, response)
    }
  },
  TIMEOUT_MS,
)

test(
  'a call is refused without the scope that it is documented with, and done with it',
  async () => {
    for (const call of calls) {
      const scope = call.operation.security[0]?.token?.[0]
      if (scope === undefined) continue
      const kind = /^(enqueue|work)$/.test(scope) ? `${scope}:*` : scope
      const others = ['read', 'operate', 'enqueue:*', 'work:*'].filter(
        (other) => !kind.startsWith(other.replace('*', '')),
      )
      const { record: enough, token: good } = await createToken({ scopes: [kind] })
      const { record: tooLittle, token: bad } = await createToken({ scopes: others })
      const setup = setUpAll({ tokens: [ADMIN, enough, tooLittle] })
      await BEFORE[call.operation.operationId]?.(setup)
      // Whoever runs a schedule with an input of their own enqueues as well.
      const body = call.operation.operationId === 'runSchedule' ? undefined : bodiesOf(call)[0]
      const statusBy = (token: string) =>
        make(call, { values: required, body, headers: { Authorization: `Bearer ${token}` } }, setup)
      expect([call.operation.operationId, await statusBy(bad)]).toEqual([call.operation.operationId, 403])
      expect([call.operation.operationId, (await statusBy(good)) < 300]).toEqual([call.operation.operationId, true])
    }
  },
  TIMEOUT_MS,
)

/** The names in "expected nothing but id, queue", or "expected no parameter". */
function namesIn(problem: string): readonly string[] {
  const list = /nothing but ([^"]*?), got this/.exec(problem)?.[1]
  return list === undefined ? [] : list.split(', ')
}

test(
  'every parameter that a route takes is in the document, and no other',
  async () => {
    const { api } = setUpAll()
    for (const call of calls) {
      const request = toRequest(call, { values: required, body: bodiesOf(call)[0] })
      const text = await (await api.fetch(new Request(`${request.url}?unheard-of=1`, request))).text()
      const taken = namesIn(text).filter((name) => name !== 'link')
      const ofQuery = call.operation.parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name)
      // A monitor may add what it likes there.
      if (call.operation.operationId === 'getHealth') expect([taken, ofQuery]).toEqual([[], ['beat']])
      else expect([call.operation.operationId, ofQuery]).toEqual([call.operation.operationId, [...taken]])
    }
  },
  TIMEOUT_MS,
)

interface Fields {
  readonly properties?: Readonly<Record<string, unknown>>
  readonly $ref?: string
}

test(
  'every field that a route takes is in the document, and no other',
  async () => {
    for (const call of calls) {
      const schema = call.operation.requestBody?.content['application/json']?.schema as Fields | undefined
      const { $ref, properties } = schema ?? {}
      const named = $ref === undefined ? undefined : (all.components.schemas[$ref.split('/').pop() ?? ''] as Fields)
      const fields = properties ?? named?.properties
      if (!fields || $ref?.includes('Task.')) continue
      const body = { ...(bodiesOf(call)[0] as object), 'unheard-of': 1 }
      const text = await (await setUpAll().api.fetch(toRequest(call, { values: required, body }))).text()
      const taken = /there are ([^"]*?\))/.exec(text)?.[1]?.replace(')', '').split(', ').slice(1) ?? namesIn(text)
      expect([call.operation.operationId, Object.keys(fields)]).toEqual([call.operation.operationId, [...taken]])
    }
  },
  TIMEOUT_MS,
)

test('every parameter and every field says what it stands for', () => {
  const unsaid: string[] = []
  const visit = (node: unknown, at: string): void => {
    if (typeof node !== 'object' || node === null) return
    for (const [key, value] of Object.entries(node)) {
      if (key === 'properties' && !('$ref' in node))
        for (const [name, field] of Object.entries(value as Record<string, { description?: string }>))
          if (!field.description && !COUNTED.has(name)) unsaid.push(`${at}.${name}`)
      visit(value, `${at}.${key}`)
    }
  }
  visit(Object.fromEntries(Object.entries(all.components.schemas).filter(([name]) => !name.startsWith('Task.'))), '')
  for (const { operation } of calls) {
    visit(operation.responses, operation.operationId)
    for (const { name, description } of operation.parameters)
      if (description === '') unsaid.push(`${operation.operationId} ${name}`)
  }
  expect(unsaid).toEqual([])
})
/** Of the counts of a queue each state says itself. */
const COUNTED: ReadonlySet<string> = new Set(JOB_STATES)

test('each call has a name of its own, which can be that of a function', () => {
  const ids = calls.map(({ operation }) => operation.operationId)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.filter((id) => !/^[a-z][A-Za-z0-9]*$/.test(id))).toEqual([])
})
