import { expect, test } from 'bun:test'
import { join } from 'node:path'
import fc from 'fast-check'
import { BrokerUnavailable, defineApp, defineTask, StorageFull } from 'tq-edge'
import type { Broker } from '../../src/broker.ts'
import { KINDS } from '../../src/http/problem.ts'
import { app, SECRET, setUp } from './support.ts'

interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly errors?: readonly { readonly path: string; readonly message: string }[]
  readonly suggestion?: string
}

/** Reads a problem, and holds it to what RFC 9457 and we promise of every one. */
async function problemOf(response: Response): Promise<Problem> {
  const problem = (await response.json()) as Problem
  expect(response.headers.get('Content-Type')).toBe('application/problem+json')
  expect(response.headers.get('X-Content-Type-Options')).toBe('nosniff')
  expect(response.headers.get('Cache-Control')).toBe('no-store')
  expect(problem.status).toBe(response.status)
  expect(problem.type).toMatch(/^urn:tq:problem:[a-z-]+$/)
  expect(problem.title).not.toBe('')
  expect(problem.detail).not.toBe('')
  expect(JSON.stringify(problem)).not.toContain(SECRET)
  return problem
}

const kindOf = ({ type }: Problem) => type.replace('urn:tq:problem:', '')

const BAD_REQUESTS: [
  what: string,
  path: string,
  body: unknown,
  answer: [status: number, kind: string, places?: string[]],
][] = [
  ['a body that is no JSON', '/v1/tasks/anything', `{"key":"${SECRET}"`, [400, 'malformed-json']],
  ['two values', '/v1/tasks/anything', `1 "${SECRET}"`, [400, 'malformed-json']],
  ['white space alone', '/v1/tasks/anything', ' ', [400, 'malformed-json']],
  ['a number that JSON lacks', '/v1/tasks/anything', 'NaN', [400, 'malformed-json']],
  [
    'JSON too deep to be written again',
    '/v1/tasks/anything',
    '['.repeat(1_001) + ']'.repeat(1_001),
    [400, 'malformed-json'],
  ],
  ['a delay that is no number', `/v1/tasks/anything?delayMs=${SECRET}`, 1, [400, 'invalid-request', ['delayMs']]],
  ['a delay below 0', '/v1/tasks/anything?delayMs=-1', 1, [400, 'invalid-request', ['delayMs']]],
  ['an endless delay', '/v1/tasks/anything?delayMs=Infinity', 1, [400, 'invalid-request', ['delayMs']]],
  ['an empty delay', '/v1/tasks/anything?delayMs=', 1, [400, 'invalid-request', ['delayMs']]],
  [
    'a delay beyond all dates',
    '/v1/tasks/anything?delayMs=99999999999999999999',
    1,
    [400, 'invalid-request', ['delayMs']],
  ],
  ['half a priority', '/v1/tasks/anything?priority=1.5', 1, [400, 'invalid-request', ['priority']]],
  ['a priority too high', '/v1/tasks/anything?priority=1000001', 1, [400, 'invalid-request', ['priority']]],
  ['a tag with a comma', '/v1/tasks/anything?tag=a,b', 1, [400, 'invalid-request', ['tag.0']]],
  ['an empty tag', '/v1/tasks/anything?tag=a&tag=', 1, [400, 'invalid-request', ['tag.1']]],
  ['too many tags', `/v1/tasks/anything?${'tag=a&'.repeat(9)}`, 1, [400, 'invalid-request', ['tag']]],
  ['one tag in place of a list', '/v1/jobs', { task: 'anything', tags: SECRET }, [400, 'invalid-request', ['tags']]],
  ['a tag too long', '/v1/jobs', { task: 'anything', tags: ['x'.repeat(51)] }, [400, 'invalid-request', ['tags.0']]],
  ['an option twice', '/v1/tasks/anything?id=a&id=b', 1, [400, 'invalid-request', ['id']]],
  ['an option of another name', `/v1/tasks/anything?delay=${SECRET}`, 1, [400, 'invalid-request', ['delay']]],
  ['several wrong options', '/v1/tasks/anything?queue=&priority=x', 1, [400, 'invalid-request', ['queue', 'priority']]],
  ['an empty id', '/v1/tasks/anything?id=', 1, [400, 'invalid-request', ['id']]],
  ['an id too long', `/v1/tasks/anything?id=${'x'.repeat(201)}`, 1, [400, 'invalid-request', ['id']]],
  ['an id that a path swallows', '/v1/tasks/anything?id=..', 1, [400, 'invalid-request', ['id']]],
  ['a line break in an id', '/v1/tasks/anything?id=a%0Ab', 1, [400, 'invalid-request', ['id']]],
  ['no body where a job is wanted', '/v1/jobs', undefined, [400, 'invalid-request', ['']]],
  ['a number in place of a job', '/v1/jobs', 5, [400, 'invalid-request', ['']]],
  ['a job without a task', '/v1/jobs', { input: SECRET }, [400, 'invalid-request', ['task']]],
  [
    'a job with an unknown option',
    '/v1/jobs',
    { task: 'anything', delay: SECRET },
    [400, 'invalid-request', ['delay']],
  ],
  [
    'an option of the wrong type',
    '/v1/jobs',
    { task: 'anything', priority: SECRET },
    [400, 'invalid-request', ['priority']],
  ],
  ['half a surrogate pair', '/v1/jobs', { task: 'anything', id: '\ud800' }, [400, 'invalid-request', ['id']]],
  ['two due times', '/v1/jobs', { task: 'anything', delayMs: 1, dueAtMs: 2 }, [400, 'invalid-request', ['']]],
  ['jobs that are no list', '/v1/jobs', { jobs: SECRET }, [400, 'invalid-request', ['jobs']]],
  ['options beside jobs', '/v1/jobs', { jobs: [], queue: SECRET }, [400, 'invalid-request', ['queue']]],
  [
    'a wrong job among many',
    '/v1/jobs',
    { jobs: [{ task: 'anything' }, SECRET] },
    [400, 'invalid-request', ['jobs.1']],
  ],
  ['a wrong option among many', '/v1/jobs', [{ task: 'anything', queue: 1 }], [400, 'invalid-request', ['0.queue']]],
  ['more than 1,000 jobs', '/v1/jobs', Array(1_001).fill({ task: 'anything' }), [400, 'invalid-request', ['']]],
  ['a task that is not known', '/v1/tasks/nobody', 1, [404, 'unknown-task']],
  ['an input that does not pass', '/v1/tasks/email.send', { to: SECRET }, [422, 'invalid-input', ['to']]],
  ['no input where one is needed', '/v1/tasks/email.send', undefined, [422, 'invalid-input', ['']]],
  [
    'an input with two issues',
    '/v1/tasks/email.send',
    { to: 1, copies: SECRET },
    [422, 'invalid-input', ['to', 'copies']],
  ],
]

test.each(BAD_REQUESTS)('%s is refused in its own words', async (_, path, body, [status, kind, places]) => {
  const { post, events } = setUp({ app })
  const problem = await problemOf(await post(path, body))
  expect([problem.status, kindOf(problem)]).toEqual([status, kind])
  expect(problem.errors?.map((issue) => issue.path)).toEqual(places)
  expect(events.map((event) => event.kind)).toEqual(['http.request'])
})

test.each([
  ['a thousand deep', '['.repeat(1_000) + ']'.repeat(1_000)],
  ['wide', `[${Array(2_000).fill('[{}]').join()}]`],
  ['brackets in a text', JSON.stringify('[{'.repeat(2_000))],
  ['brackets behind an escaped quote', JSON.stringify(`"${'['.repeat(2_000)}`)],
  ['brackets behind a backslash', JSON.stringify({ 'a\\': ']'.repeat(2_000), b: '['.repeat(2_000) })],
])('JSON that is %s is not too deep', async (_, body) => {
  const { post } = setUp()
  expect((await post('/v1/tasks/t', body)).status).toBe(202)
})

test('a body that is not UTF-8 is refused', async () => {
  const { api } = setUp()
  const body = new Uint8Array([0x22, 0xff, 0x22])
  expect(kindOf(await problemOf(await api.request('/v1/tasks/t', { method: 'POST', body })))).toBe('malformed-json')
})

test('an unknown task comes with the known one that looks most like it', async () => {
  const { post } = setUp({ app })
  const problem = await problemOf(await post('/v1/tasks/email.sned'))
  expect(problem).toMatchObject({
    suggestion: 'email.send',
    detail: expect.stringContaining('did you mean "email.send"'),
  })
})

test('without tasks a name that no task can have is refused', async () => {
  const { post } = setUp()
  expect(kindOf(await problemOf(await post('/v1/tasks/two%20words')))).toBe('invalid-request')
})

test('whatever is wrong, a problem stays small', async () => {
  const { post } = setUp({ app })
  const long = 'x'.repeat(100_000)
  for (const response of [
    await post('/v1/jobs', { [long]: 1 }),
    await post(`/v1/tasks/${long}`),
    await post('/v1/jobs', Array(1_000).fill(5)),
    await post('/v1/jobs', { task: long }),
    await post('/v1/tasks/anything', '1', { 'Content-Type': long }),
  ]) {
    expect(response.status).toBeGreaterThanOrEqual(400)
    expect((await response.text()).length).toBeLessThan(10_000)
  }
})

test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'application/jsonp', ''])(
  'the content type %p is refused',
  async (type) => {
    const { post } = setUp()
    const response = await post('/v1/tasks/t', '{}', { 'Content-Type': type })
    expect(response.headers.get('Accept')).toBe('application/json')
    expect(kindOf(await problemOf(response))).toBe('unsupported-media-type')
  },
)

test('a body over the limit is refused, up to the last byte within it not', async () => {
  const { post } = setUp({ maxBodyBytes: 100 })
  expect((await post('/v1/tasks/t', `"${'x'.repeat(98)}"`)).status).toBe(202)
  expect(kindOf(await problemOf(await post('/v1/tasks/t', `"${'x'.repeat(99)}"`)))).toBe('too-large')
  const honest = await post('/v1/tasks/t', `"${'x'.repeat(99)}"`, { 'Content-Length': '101' })
  expect(honest.status).toBe(413)
})

test('the limit is a mebibyte where nobody says otherwise, and counts bytes', async () => {
  const { post } = setUp()
  expect((await post('/v1/tasks/t', `"${'x'.repeat(1_048_574)}"`)).status).toBe(202)
  expect((await post('/v1/tasks/t', `"${'x'.repeat(1_048_575)}"`)).status).toBe(413)
  expect((await post('/v1/jobs', `{"task":"t","input":"${'ü'.repeat(600_000)}"}`)).status).toBe(413)
})

test('an input that is over the limit only once it is written out is refused too', async () => {
  const { post } = setUp({ maxBodyBytes: 100 })
  const problem = await problemOf(await post('/v1/tasks/t', `[${Array(19).fill('1e20').join()}]`))
  expect(kindOf(problem)).toBe('too-large')
})

test('a limit that is none is refused when the API is created', () => {
  for (const maxBodyBytes of [0, -1, 1.5, Number.NaN]) expect(() => setUp({ maxBodyBytes })).toThrow('maxBodyBytes')
})

test('a path that is none', async () => {
  const { get } = setUp()
  for (const path of ['/', '/v1', '/v1/tasks/a/b', '/v1/queues/a/b', '/v1/jobs/', '/v2/jobs', '/healthz/x'])
    expect(kindOf(await problemOf(await get(path)))).toBe('unknown-route')
})

test.each([
  ['PUT', '/v1/tasks/t', 'GET, HEAD, POST'],
  ['POST', '/v1/tasks', 'GET, HEAD'],
  ['PUT', '/v1/jobs', 'GET, HEAD, POST'],
  ['HEAD', '/v1/jobs/a/cancel', 'POST'],
  ['PATCH', '/v1/jobs/a', 'GET, HEAD, DELETE'],
  ['POST', '/v1/jobs/a/result', 'GET, HEAD'],
  ['POST', '/healthz', 'GET, HEAD'],
])('%s %s is told what it may do', async (method, path, allow) => {
  const { api } = setUp()
  const response = await api.request(path, { method })
  expect(response.status).toBe(405)
  expect(response.headers.get('Allow')).toBe(allow)
  if (method !== 'HEAD') expect(kindOf(await problemOf(response))).toBe('method-not-allowed')
})

test('no page of another site is let in: a preflight gets nothing', async () => {
  const { api } = setUp({ tokens: ['token'] })
  const response = await api.request('/v1/jobs', {
    method: 'OPTIONS',
    headers: { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'POST' },
  })
  expect(response.status).toBe(401)
  expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
})

test('an unknown job', async () => {
  const { get } = setUp()
  for (const path of ['/v1/jobs/nobody', '/v1/jobs/nobody/result', '/v1/jobs/%E0%A4%A'])
    expect(kindOf(await problemOf(await get(path)))).toBe('unknown-job')
})

test.each(['?wait=soon', '?wait=-1', '?wait=', '?wait=1&wait=2', '?waits=1'])(
  'a wait of %p is refused',
  async (query) => {
    const { get } = setUp()
    expect(kindOf(await problemOf(await get(`/v1/jobs/a/result${query}`)))).toBe('invalid-request')
  },
)

test('an id that is taken by another job', async () => {
  const { post, broker } = setUp()
  await post('/v1/tasks/greet?id=a', { name: 'Ada' })
  for (const path of ['/v1/tasks/greet?id=a', '/v1/tasks/other?id=a'])
    expect(kindOf(await problemOf(await post(path, `"${SECRET}"`)))).toBe('job-conflict')
  expect(await broker.get(['a'])).toMatchObject([{ task: 'greet', input: '{"name":"Ada"}' }])
})

const failing = (error: Error): Partial<Broker> => ({
  enqueue: () => Promise.reject(error),
  get: () => Promise.reject(error),
})

test.each<[what: string, broken: Partial<Broker>, kind: string, retryAfter: string]>([
  ['a full queue', { enqueue: async (jobs) => jobs.map(() => 'full') }, 'queue-full', '10'],
  ['a broker that does not answer', failing(new BrokerUnavailable('redis', SECRET)), 'broker-unavailable', '5'],
  ['a full disk', failing(new StorageFull(SECRET)), 'storage-full', '60'],
])('%s is 503, with when to try again and without its internals', async (_, broken, kind, retryAfter) => {
  const { post, clock } = setUp({ wrap: () => broken })
  const pending = post('/v1/tasks/greet')
  await clock.advance(60_000)
  const response = await pending
  expect(response.status).toBe(503)
  expect(response.headers.get('Retry-After')).toBe(retryAfter)
  expect(kindOf(await problemOf(response))).toBe(kind)
})

test('a broker that goes away in the middle of a wait is 503', async () => {
  const { get, clock } = setUp({ wrap: () => failing(new BrokerUnavailable('redis', SECRET)) })
  const answer = get('/v1/jobs/a/result?wait=60')
  await clock.advance(60_000)
  expect(kindOf(await problemOf(await answer))).toBe('broker-unavailable')
})

test('what nobody expected is a 500 that tells the operator alone', async () => {
  const { get, events } = setUp({ wrap: () => failing(new Error(`cannot open ${SECRET}`)) })
  expect(kindOf(await problemOf(await get('/v1/jobs/a')))).toBe('internal')
  expect(events).toMatchObject([{ kind: 'http.request', status: 500, reason: `cannot open ${SECRET}` }])
})

test('a schema that throws is a 500 too, whatever it throws', async () => {
  const throwing = (thrown: unknown) => ({
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: () => {
        throw thrown
      },
    },
  })
  for (const thrown of [new TypeError(SECRET), SECRET]) {
    const broken = defineApp({ tasks: [defineTask({ name: 't', input: throwing(thrown), run: () => {} })] })
    const { post, events } = setUp({ app: broken })
    expect(kindOf(await problemOf(await post('/v1/jobs', [{ task: 't' }])))).toBe('internal')
    expect(events).toMatchObject([{ status: 500, reason: expect.stringMatching(/sesame|a string of/) }])
  }
})

test('the reference lists every problem with its status', async () => {
  const reference = await Bun.file(join(import.meta.dir, '../../docs/rest.md')).text()
  const listed = [...reference.matchAll(/^\| `([a-z-]+)` \| (\d{3}) \|/gm)].map(([, kind, status]) => [
    kind,
    Number(status),
  ])
  expect(listed).toEqual(Object.entries(KINDS).map(([kind, { status }]) => [kind, status]))
})

test('no text that is posted does worse than to be refused', async () => {
  const { post } = setUp({ app })
  const bodies = fc.oneof(
    fc.string(),
    fc.json(),
    fc.jsonValue().map((value) => JSON.stringify({ jobs: value })),
  )
  const paths = fc.constantFrom('/v1/tasks/anything', '/v1/tasks/email.send', '/v1/jobs')
  await fc.assert(
    fc.asyncProperty(paths, bodies, async (path, body) => {
      expect([202, 400, 404, 422]).toContain((await post(path, body)).status)
    }),
  )
})

test('a listener that throws does not turn a job that is stored into an error', async () => {
  const onEvent = () => {
    throw new Error('the log is full')
  }
  const { post, broker } = setUp({ onEvent })
  expect((await post('/v1/tasks/anything?id=a', 1)).status).toBe(202)
  expect(await broker.get(['a'])).toMatchObject([{ state: 'queued' }])
})
