/**
 * Every call, with what its document says that it takes, with what it nearly takes, and with what nobody would send on purpose: it is
 * answered as the document says, and never the server's fault.
 */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { createLink } from 'tq-edge/client'
import { brokerRoutes, createToken } from 'tq-edge/http'
import { openApi } from 'tq-edge/openapi'
import { createSchedules } from 'tq-edge/scheduler'
import { BROKER_CALLS } from '../../src/http/broker-calls.ts'
import type { Document, OperationObject, Parameter } from '../../src/http/openapi/document.ts'
import { createSchemas } from '../../src/http/openapi/json-schema.ts'
import { settled } from '../support/clock.ts'
import { bodyOf, fromSchema, hostile } from './arbitrary.ts'
import { type Call, callsOf, createCheck } from './documented.ts'
import { aJob, app, failed, settle, setUp } from './support.ts'

const RUNS = 100
const SEED = 2026
/** For a machine that has much else to do: what is not answered is told long before. */
const TIMEOUT_MS = 60_000
const TOKEN = 'a-long-random-token'
const SECRET = 'a-long-random-secret'

const producer = await createToken({ scopes: ['enqueue:email.*'] })
const asAdmin = { Authorization: `Bearer ${TOKEN}` }

/** An API of which some is there to be asked for. */
async function prepare() {
  const setup = setUp({
    app,
    brokerRoutes,
    tokens: [TOKEN, producer.record],
    linkSecrets: [SECRET],
    schedules: (given) => createSchedules({ ...given, appName: 'shop' }),
    openapi: openApi(),
    maxEvents: 100,
  })
  const { api, broker } = setup
  await broker.enqueue([aJob('failed')])
  await settle(broker, failed('failed', 'no route'))
  await broker.enqueue([aJob('later', { delayMs: 600_000_000 }), aJob('anything')])
  await api.request('/v1/schedules/nightly', {
    method: 'PUT',
    headers: { ...asAdmin, 'Content-Type': 'application/json' },
    body: JSON.stringify({ task: 'anything', rule: { kind: 'cron', pattern: '0 0 * * *' } }),
  })
  return setup
}

type Setup = Awaited<ReturnType<typeof prepare>>

const { api: first } = await prepare()
const document = (await (await first.request('/openapi.json', { headers: asAdmin })).json()) as Document
const check = createCheck(document)

const linkTo = async (what: { task: string } | { job: string }): Promise<string> => {
  const link = await createLink(SECRET, { url: 'http://localhost', ...what, expiresAtMs: 4_102_444_800_000 })
  return new URL(link).searchParams.get('link') ?? ''
}
const links = [await linkTo({ task: 'email.send' }), await linkTo({ job: 'failed' })]

const pathText = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('failed', 'later', 'default', 'anything', 'email.send', 'nightly', 'cancel'),
  },
  { weight: 1, arbitrary: fc.string({ minLength: 1 }).map(encode) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...['%E0%A4%A', '%00', '..', '.', '%2e%2e', '%2F', '%25', ':id', '*', `${'x'.repeat(3_000)}`, '%ED%A0%80'],
    ),
  },
)

/** A half of a surrogate pair has no form in a URL. */
function encode(text: string): string {
  return encodeURIComponent(text.replace(/\p{Cs}/gu, '?'))
}

const headerText = fc.oneof(
  fc.constantFrom(
    '*',
    '"0"',
    '"1"',
    '"0.0000000000000000"',
    'W/"1"',
    '"0", "1"',
    'wait=5',
    'wait=1e9',
    `"${'9'.repeat(400)}"`,
  ),
  fc.stringMatching(/^[!-~]*$/),
)
const contentType = fc.oneof(
  { weight: 8, arbitrary: fc.constant('application/json') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...[
        'application/json; charset=utf-16',
        'application/cloudevents+json',
        'text/plain',
        'multipart/form-data; boundary=x',
      ],
      ...['application/x-www-form-urlencoded', 'application/octet-stream', ';', 'application/json, text/plain'],
    ),
  },
)
const authorization = fc.oneof(
  { weight: 12, arbitrary: fc.constant(`Bearer ${TOKEN}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(undefined, `Bearer ${producer.token}`, 'Bearer another', `bearer  ${TOKEN} `),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('Basic dDp0', 'Bearer', `Bearer ${'x'.repeat(9_000)}`, `Bearer ${TOKEN}, Bearer x`),
  },
)

/** A parameter as a client writes it, and as one that knows nothing does. */
const queryText = (schema: Parameter['schema']) =>
  fc.oneof(
    { weight: 3, arbitrary: fromSchema(schema, document.components.schemas).map(String) },
    { weight: 1, arbitrary: hostile.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))) },
  )

function queryOf({ parameters, security }: OperationObject): fc.Arbitrary<readonly (readonly [string, string])[]> {
  const own = parameters
    .filter((parameter) => parameter.in === 'query')
    .map(({ name, schema }) => queryText(schema).map((text) => [name, text] as const))
  const link = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...links) }, { weight: 1, arbitrary: fc.string() })
  const given = fc.subarray(own).chain((some) => fc.tuple(...some))
  const unknown = fc.tuple(fc.constantFrom('unheard-of', '__proto__', 'limit', 'id', ''), fc.string())
  const more = fc.oneof({ weight: 9, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.tuple(unknown) })
  return fc
    .tuple(given, more, link)
    .map(([some, another, text]) => [
      ...some,
      ...another,
      ...(security.some((scheme) => 'link' in scheme) ? [['link', text] as const] : []),
    ])
}

interface Sent {
  readonly url: string
  readonly init: RequestInit
  /** Whether it is sent to where it was meant: a path of dots leads elsewhere. */
  readonly isThere: boolean
}

function requestOf({ method, path, operation }: Call): fc.Arbitrary<Sent> {
  const { schema, examples = {} } = operation.requestBody?.content['application/json'] ?? {}
  const known = Object.values(examples).map(({ value }) => fc.constant(value))
  const values = schema && fc.oneof(fromSchema(schema, document.components.schemas), ...known)
  const names = operation.parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name)
  return fc
    .record({
      ofPath: pathText,
      query: queryOf(operation),
      headers: fc.record(Object.fromEntries(names.map((name) => [name, headerText])), { requiredKeys: [] }),
      authorization,
      contentType,
      body: values ? fc.option(bodyOf(values), { freq: 12, nil: undefined }) : fc.constant(undefined),
    })
    .map(({ ofPath, query, headers, ...given }) => {
      const filled = path.replace(/\{\w+\}/, ofPath)
      const search = new URLSearchParams(query.map(([name, text]) => [name, text]))
      return {
        url: `http://localhost${filled}${search.size > 0 ? `?${search}` : ''}`,
        init: {
          method,
          headers: {
            ...headers,
            ...(given.authorization !== undefined && { Authorization: given.authorization }),
            ...(given.body !== undefined && { 'Content-Type': given.contentType }),
          },
          ...(given.body !== undefined && { body: given.body }),
        },
        isThere: new URL(`http://localhost${filled}`).pathname === filled,
      }
    })
}

/** WebCrypto answers from another thread, which takes turns of its own. */
const TURNS = 20
const MAX_STEPS = 5_000

/** Waits take as long as they say, in virtual time: what is not answered after hours of it never is. */
async function answered({ api, clock }: Setup, { url, init }: Sent): Promise<Response> {
  const answer = Promise.resolve(api.fetch(new Request(url, init)))
  let done = false
  const watched = answer.finally(() => {
    done = true
  })
  for (let turn = 0; !done && turn < TURNS; turn++) await settled()
  for (let step = 0; !done && step < MAX_STEPS; step++) await clock.advance(5_000)
  if (!done) throw new Error(`expected an answer, got none: ${init.method} ${url}`)
  return watched
}

/** What a server without beats says of them is no fault. */
const isFault = (status: number, path: string) => status >= 500 && path !== '/healthz'

/** tq's own protocol is no part of the document: of it the requests alone are made by its schemas. */
const brokerCalls: readonly Call[] = Object.entries(BROKER_CALLS).map(([name, schema]) => ({
  method: 'POST',
  path: `/v1/broker/${name}`,
  operation: {
    operationId: `broker ${name}`,
    summary: '',
    tags: [],
    security: [{ token: ['admin'] }],
    parameters: [],
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: {
            type: 'object',
            properties: { arguments: createSchemas({}, [schema]).of(schema) },
            required: ['arguments'],
          },
        },
      },
    },
    responses: {},
  },
}))

test.each([...callsOf(document), ...brokerCalls].map((call) => [call.operation.operationId, call] as const))(
  '%s is answered as documented, whatever is sent',
  async (_, call) => {
    const setup = await prepare()
    await fc.assert(
      fc.asyncProperty(requestOf(call), async (sent) => {
        const response = await answered(setup, sent)
        const { status } = response
        if (isFault(status, call.path)) throw new Error(`${status} ${await response.text()}`)
        if (sent.isThere && !brokerCalls.includes(call)) await check(call, response)
        else await response.body?.cancel()
      }),
      { numRuns: RUNS, seed: SEED },
    )
    expect(setup.events.filter((event) => event.kind === 'http.request' && isFault(event.status, event.path))).toEqual(
      [],
    )
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    await setup.broker.close()
  },
  TIMEOUT_MS,
)
