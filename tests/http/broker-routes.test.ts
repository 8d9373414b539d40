import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { brokerRoutes, createApi } from 'tq-edge/http'
import { aJob, setUp } from './support.ts'

const TOKEN = 'a-token-for-tests'

function serve(options: { readonly brokerRoutes?: typeof brokerRoutes } = { brokerRoutes }) {
  const { broker, clock } = setUp()
  const api = createApi({ broker, clock, tokens: [TOKEN], ...options })
  const call = (method: string, body: unknown, token = TOKEN) =>
    api.request(`/v1/broker/${method}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
  return { broker, call }
}

test('an API lends its broker to nobody unless it is told to', async () => {
  expect((await serve({}).call('stats', { arguments: [] })).status).toBe(404)
})

test('its broker is lent to nobody without a token', async () => {
  expect((await serve().call('stats', { arguments: [] }, 'another')).status).toBe(401)
})

test('a call answers as the broker does', async () => {
  const { call, broker } = serve()
  const enqueued = await call('enqueue', { arguments: [[aJob('a', { input: '{"n":12345678901234567890}' })]] })
  expect([enqueued.status, await enqueued.json()]).toEqual([200, { answer: ['created'] }])
  expect((await broker.get(['a']))[0]?.input).toBe('{"n":12345678901234567890}')
})

const aSchedule = () => ({
  ...{ kind: 'set', name: 'a', app: 'shop', definition: '{}', dueAtMs: 1, incarnation: 'i', stampMs: 0 },
})
const aTick = () => ({ schedule: 'a', revision: 1, dueAtMs: 1, nextDueAtMs: 2, job: null })

test.each<[string, string, unknown[], string]>([
  ['a job without a task', 'enqueue', [[{ ...aJob('a'), task: undefined }]], 'arguments.0.0.task'],
  ['an input that is no JSON', 'enqueue', [[aJob('a', { input: '{' })]], 'arguments.0.0.input'],
  ['a field that no job has', 'enqueue', [[{ ...aJob('a'), colour: 'red' }]], 'arguments.0.0.colour'],
  ['too many jobs', 'enqueue', [Array(1_001).fill(aJob('a'))], 'arguments.0'],
  ['another state', 'list', [{ states: ['done'] }], 'arguments.0.states.0'],
  ['a limit beyond a page', 'list', [{ limit: -1 }], ''],
  ['no epoch', 'retry', [[{ id: 'a' }]], 'arguments.0.0.epoch'],
  ['a rate limit of no calls', 'countCall', [[{ key: 'a', calls: 0, windowMs: 1_000 }]], 'arguments.0.0.calls'],
  ['a kind of change that is none', 'setSchedules', [[{ kind: 'swap' }]], 'arguments.0.0.kind'],
  ['an id in two lines', 'enqueue', [[aJob('a\nb')]], 'arguments.0.0.id'],
  ['a task in two lines', 'enqueue', [[aJob('a', { task: 'a\nb' })]], 'arguments.0.0.task'],
  ['a callback that no broker has made', 'enqueue', [[aJob('a', { task: 'tq.callback' })]], 'arguments.0.0.task'],
  ['a task in parts', 'enqueue', [[aJob('a', { task: 'a|1' })]], 'arguments.0.0.task'],
  ['a job due before there was time', 'enqueue', [[aJob('a', { dueAtMs: -1 })]], 'arguments.0.0.dueAtMs'],
  [
    'a schedule due before there was time',
    'setSchedules',
    [[{ ...aSchedule(), dueAtMs: -1 }]],
    'arguments.0.0.dueAtMs',
  ],
  ['a stamp from before there was time', 'setSchedules', [[{ ...aSchedule(), stampMs: -1 }]], 'arguments.0.0.stampMs'],
  ['an app in two lines', 'setSchedules', [[{ ...aSchedule(), app: 'a\nb' }]], 'arguments.0.0.app'],
  ['an incarnation in parts', 'setSchedules', [[{ ...aSchedule(), incarnation: 'a|b' }]], 'arguments.0.0.incarnation'],
  [
    "a schedule in the place of an app's mark",
    'setSchedules',
    [[{ ...aSchedule(), name: '@a' }]],
    'arguments.0.0.name',
  ],
  [
    'a tick that is next due before there was time',
    'fire',
    [[{ ...aTick(), nextDueAtMs: -1 }]],
    'arguments.0.0.nextDueAtMs',
  ],
  ['a mark in parts', 'setDeployed', ['a', { stampMs: 0, digest: 'a|b' }, null], 'arguments.1.digest'],
  ['an argument too many', 'workers', [1], 'arguments.0'],
  ['an argument too few', 'setPaused', ['default', true], 'arguments.2'],
])('a call with %s is refused, and says where', async (_, method, args, path) => {
  const { call, broker } = serve()
  const refused = await call(method, { arguments: args })
  const { type, errors } = (await refused.json()) as { type: string; errors?: { path: string }[] }
  expect([refused.status, type, errors?.[0]?.path ?? '']).toEqual([400, 'urn:tq:problem:invalid-request', path])
  expect((await broker.list({})).jobs).toEqual([])
})

test.each(['close', 'exchange', 'constructor', '__proto__', 'nothing'])('there is no call named %s', async (method) => {
  expect((await serve().call(method, { arguments: [] })).status).toBe(404)
})

const METHODS = [
  ...[
    'enqueue',
    'fire',
    'get',
    'list',
    'stats',
    'workers',
    'cancel',
    'retry',
    'promote',
    'remove',
    'setPaused',
    'purge',
  ],
  ...['schedules', 'setSchedules', 'deployed', 'setDeployed', 'beats', 'runs', 'countCall', 'prune'],
]
const word = fc.constantFrom('a', 'default', 'digest', '', '__proto__', '{}', 'x'.repeat(300))
const number = fc.oneof(fc.constantFrom(0, 1, 5, -1, 0.5, 1e15, 1e300), fc.integer())
const fields = {
  ...{ id: word, task: word, queue: word, input: word, schedule: word, name: word, app: word, definition: word },
  ...{ incarnation: word, digest: word, cursor: word, kind: fc.constantFrom('set', 'remove') },
  ...{ priority: number, createdAtMs: number, delayMs: number, epoch: number, revision: number, limit: number },
  ...{ nextDueAtMs: fc.option(number), dueAtMs: fc.option(number), stampMs: number, aheadMs: number },
  ...{ key: word, calls: number, windowMs: fc.oneof(number, fc.constantFrom(60_000)) },
  ...{ job: fc.option(fc.constant(aJob('b'))), due: fc.boolean(), states: fc.constant(['queued']) },
}
const KINDS: readonly (readonly (keyof typeof fields)[])[] = [
  ['id', 'task', 'queue', 'input', 'priority', 'createdAtMs'],
  ['id', 'task', 'queue', 'input', 'priority', 'createdAtMs', 'delayMs'],
  ['id', 'epoch'],
  ['schedule', 'revision', 'dueAtMs', 'nextDueAtMs', 'job'],
  ['kind', 'name', 'app', 'definition', 'dueAtMs', 'incarnation', 'stampMs'],
  ['kind', 'name', 'app', 'stampMs'],
  ['stampMs', 'digest'],
  ['states', 'queue', 'limit'],
  ['key', 'calls', 'windowMs'],
  ['due', 'aheadMs', 'limit', 'cursor'],
]
const item = fc
  .constantFrom(...KINDS)
  .chain((keys) => fc.record(Object.fromEntries(keys.map((key) => [key, fields[key]]))))
const argument = fc.oneof(
  item,
  fc.array(item, { maxLength: 2 }),
  fc.array(word, { maxLength: 2 }),
  word,
  number,
  fc.boolean(),
)

test('no call of a broker elsewhere is the server’s fault', async () => {
  const { call } = serve()
  const taken = new Set<string>()
  const calls = fc.record({ method: fc.constantFrom(...METHODS), args: fc.array(argument, { maxLength: 3 }) })
  await fc.assert(
    fc.asyncProperty(calls, async ({ method, args }) => {
      const { status } = await call(method, { arguments: args })
      if (status === 200) taken.add(method)
      expect([method, status < 500]).toEqual([method, true])
    }),
    { numRuns: 4_000, seed: 2026 },
  )
  expect(taken.size).toBeGreaterThan(12)
})
