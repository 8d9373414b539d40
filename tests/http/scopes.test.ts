import { expect, test } from 'bun:test'
import { Hono } from 'hono'
import { brokerRoutes, createToken } from 'tq-edge/http'
import { createSchedules } from 'tq-edge/scheduler'
import type { Broker } from '../../src/broker.ts'
import { problemResponse, toRefusal } from '../../src/http/problem.ts'
import { fits, requireScope, requireWork, setNeeds } from '../../src/http/scopes.ts'
import { type TokenRecord, toRecordText } from '../../src/http/tokens.ts'
import { aJob, app, setUp } from './support.ts'

const SCOPES = ['read', 'operate', 'enqueue:anything', 'work:default', 'admin'] as const
const JOB = { task: 'anything', input: 1 }

/** Every route, with the one scope that opens it besides `admin`. */
const NEEDS: readonly [scope: string, method: string, path: string, body?: unknown][] = [
  ['read', 'GET', '/v1/tasks'],
  ['read', 'GET', '/v1/tasks/:task'],
  ['enqueue:anything', 'POST', '/v1/tasks/:task', 1],
  ['read', 'GET', '/v1/jobs'],
  ['enqueue:anything', 'POST', '/v1/jobs', JOB],
  ['operate', 'POST', '/v1/jobs/cancel', { ids: ['a'] }],
  ['operate', 'POST', '/v1/jobs/retry', { ids: ['a'] }],
  ['operate', 'POST', '/v1/jobs/promote', { ids: ['a'] }],
  ['operate', 'POST', '/v1/jobs/remove', { ids: ['a'] }],
  ['read', 'GET', '/v1/jobs/:id'],
  ['operate', 'DELETE', '/v1/jobs/:id'],
  ['read', 'GET', '/v1/jobs/:id/result'],
  ['read', 'GET', '/v1/jobs/:id/events'],
  ['read', 'GET', '/v1/events'],
  ['operate', 'POST', '/v1/jobs/:id/cancel'],
  ['operate', 'POST', '/v1/jobs/:id/retry'],
  ['operate', 'POST', '/v1/jobs/:id/promote'],
  ['read', 'GET', '/v1/queues'],
  ['read', 'GET', '/v1/queues/:queue'],
  ['operate', 'POST', '/v1/queues/:queue/pause'],
  ['operate', 'POST', '/v1/queues/:queue/resume'],
  ['operate', 'POST', '/v1/queues/:queue/purge'],
  ['read', 'GET', '/v1/workers'],
  ['read', 'GET', '/v1/schedules'],
  ['read', 'GET', '/v1/schedules/:name'],
  ['admin', 'PUT', '/v1/schedules/:name', { task: 'anything', rule: { kind: 'every', everyMs: 60_000 } }],
  ['admin', 'DELETE', '/v1/schedules/:name'],
  ['operate', 'POST', '/v1/schedules/:name/pause'],
  ['operate', 'POST', '/v1/schedules/:name/resume'],
  ['operate', 'POST', '/v1/schedules/:name/run'],
  ['read', 'GET', '/v1/schedules/:name/history'],
  ['read', 'GET', '/v1/schedules/:name/next'],
  ['work:default', 'POST', '/v1/exchange', { lane: 'a.1.0', seq: 1, queues: ['default'] }],
]

/** An API that knows one token of these scopes. */
async function withScopes(
  scopes: readonly string[],
  more: Partial<TokenRecord> = {},
  wrap?: (broker: Broker) => Partial<Broker>,
) {
  const { token, record } = await createToken({ scopes, name: 'ci' })
  const api = setUp({
    app,
    tokens: [{ ...record, ...more }, 'an-admin-token'],
    schedules: (given) => createSchedules({ ...given, appName: 'shop' }),
    ...(wrap && { wrap }),
  })
  const call = async (method: string, path: string, body?: unknown, sent: string = token) =>
    api.api.request(path, {
      method,
      headers: { Authorization: `Bearer ${sent}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  return { ...api, token, record, call }
}

test.each(SCOPES)('a token of %s reaches the routes of that scope, and no other', async (scope) => {
  const { call, broker } = await withScopes([scope])
  for (const [needed, method, route, body] of NEEDS) {
    // Jobs of their own: what one call changes, the next one needs.
    await broker.enqueue([aJob(`${method}${route}`.replaceAll('/', '.'))])
    const path = route.replace(':id', `${method}${route}`.replaceAll('/', '.')).replace(/:\w+/, 'anything')
    const { status, headers } = await call(method, path, body)
    const isOpen = scope === needed || scope === 'admin'
    expect(`${method} ${route} ${status === 403 ? 'closed' : 'open'}`).toBe(
      `${method} ${route} ${isOpen ? 'open' : 'closed'}`,
    )
    if (!isOpen) expect(headers.get('WWW-Authenticate')).toBe('Bearer realm="tq", error="insufficient_scope"')
  }
})

test('the table has every route under /v1 that no link opens, so that a new one is thought of', async () => {
  const { api } = setUp()
  const routes = api.routes.filter(({ method, path }) => method !== 'ALL' && /^\/v1\/(?!links)/.test(path))
  const found = new Set(routes.map(({ method, path }) => `${method} ${path}`))
  expect([...found].sort()).toEqual(NEEDS.map(([, method, path]) => `${method} ${path}`).sort())
})

test('a refusal says which scope is missing', async () => {
  const { call } = await withScopes(['enqueue:email.*'])
  const detailOf = async (response: Promise<Response>) => (await response).json()
  expect(await detailOf(call('GET', '/v1/jobs'))).toEqual({
    type: 'urn:tq:problem:forbidden',
    title: "The token's scopes do not allow this",
    status: 403,
    detail: 'expected a token with the scope "read", got one without it',
  })
  expect(await detailOf(call('POST', '/v1/tasks/anything', 1))).toMatchObject({
    detail: 'expected a token with the scope "enqueue:anything", got one without it',
  })
})

test('many jobs are stored only where every task is allowed, and the refusal says which is not', async () => {
  const { call, broker } = await withScopes(['enqueue:any*'])
  const jobs = [
    { task: 'anything', id: 'a' },
    { task: 'email.send', input: { to: 'ada@example.com' }, id: 'b' },
  ]
  for (const [body, path] of [
    [jobs, '1.task'],
    [{ jobs }, 'jobs.1.task'],
  ] as const) {
    const response = await call('POST', '/v1/jobs', body)
    expect([response.status, await response.json()]).toMatchObject([403, { errors: [{ path }] }])
  }
  expect(await broker.get(['a', 'b'])).toEqual([null, null])
  expect((await call('POST', '/v1/jobs', jobs.slice(0, 1))).status).toBe(202)
})

test('whoever may not enqueue a task is not told whether there is one', async () => {
  const { call } = await withScopes(['enqueue:email.*'])
  for (const task of ['anything', 'nobody']) expect((await call('POST', `/v1/tasks/${task}`, 1)).status).toBe(403)
  expect((await call('POST', '/v1/tasks/email.nobody', 1)).status).toBe(404)
})

test('who operates runs a schedule as it is, and with an input of their own only where they may enqueue its task', async () => {
  const { call } = await withScopes(['operate', 'enqueue:email.*'])
  const made = { task: 'anything', rule: { kind: 'every', everyMs: 60_000 } }
  await call('PUT', '/v1/schedules/s', made, 'an-admin-token')
  expect((await call('POST', '/v1/schedules/s/run')).status).toBe(202)
  const own = await call('POST', '/v1/schedules/s/run', { to: 'me' })
  expect([own.status, (await own.json()).detail]).toEqual([403, expect.stringContaining('"enqueue:anything"')])
  expect((await call('POST', '/v1/schedules/s/run', { to: 'me' }, 'an-admin-token')).status).toBe(202)
})

test('a broker is lent to nobody who is not an admin', async () => {
  const { token, record } = await createToken({ scopes: ['read', 'operate', 'enqueue:*', 'work:*'], name: 'ci' })
  const { api } = setUp({ app, tokens: [record, 'an-admin-token'], brokerRoutes })
  const stats = async (bearer: string) => {
    const headers = { Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/json' }
    const answer = await api.request('/v1/broker/stats', { method: 'POST', headers, body: '{"arguments":[]}' })
    return answer.status
  }
  expect([await stats(token), await stats('an-admin-token')]).toEqual([403, 200])
})

test('a worker exchanges for the queues that its token names alone', async () => {
  const { call } = await withScopes(['work:mail.*'])
  const exchange = (seq: number, ...queues: string[]) => call('POST', '/v1/exchange', { lane: 'a.1.0', seq, queues })
  expect((await exchange(1, 'mail.fast', 'mail.slow')).status).toBe(200)
  const refused = await exchange(2, 'mail.fast', 'default')
  expect([refused.status, (await refused.json()).detail]).toEqual([403, expect.stringContaining('"work:default"')])
})

test('several scopes add up, and none of them brings another', async () => {
  const { call } = await withScopes(['operate', 'enqueue:anything', 'enqueue:email.*'])
  expect((await call('POST', '/v1/tasks/anything', 1)).status).toBe(202)
  expect((await call('POST', '/v1/tasks/email.send', { to: 'ada@example.com' })).status).toBe(202)
  expect((await call('POST', '/v1/queues/default/pause')).status).toBe(200)
  expect((await call('GET', '/v1/queues/default')).status).toBe(403)
})

test('a HEAD is a read, and what no line names needs admin', async () => {
  const reader = await withScopes(['read'])
  expect((await reader.call('HEAD', '/v1/queues/default')).status).toBe(200)
  for (const [method, path] of [
    ['PATCH', '/v1/jobs/a'],
    ['POST', '/v1/nothing'],
    ['OPTIONS', '/v1/jobs'],
  ] as const) {
    expect((await reader.call(method, path)).status).toBe(403)
    expect((await reader.call(method, path, undefined, 'an-admin-token')).status).toBeOneOf([404, 405])
  }
  const operator = await withScopes(['operate'])
  expect((await operator.call('HEAD', '/v1/queues/default')).status).toBe(403)
})

test('an expired token is answered word for word as one that never was', async () => {
  const { call, clock } = await withScopes(['read'], { expiresAtMs: 600_000 })
  const start = clock.now()
  await clock.advance(599_999 - start)
  expect((await call('GET', '/v1/jobs')).status).toBe(200)
  await clock.advance(1)
  const answers = await Promise.all([
    call('GET', '/v1/jobs'),
    call('GET', '/v1/jobs', undefined, 'never-was'),
    call('POST', '/v1/nothing', undefined, 'never-was'),
  ])
  const told = await Promise.all(
    answers.map(async ({ status, headers }, at) => ({
      status,
      challenge: headers.get('WWW-Authenticate'),
      body: await answers[at]?.text(),
    })),
  )
  expect(told[0]?.status).toBe(401)
  expect(new Set(told.map((answer) => JSON.stringify(answer))).size).toBe(1)
})

test('a record opens nothing by its hash, nor by its text', async () => {
  const { call, record } = await withScopes(['admin'])
  for (const sent of [record.hash, toRecordText(record)])
    expect((await call('GET', '/v1/jobs', undefined, sent)).status).toBe(401)
})

test('a token is replaced while callers still use the old one', async () => {
  const [old, next] = await Promise.all([createToken({ scopes: ['read'] }), createToken({ scopes: ['read'] })])
  let tokens = [old.record]
  const { api } = setUp({ tokens: () => tokens })
  const statuses = () =>
    Promise.all(
      [old, next].map(
        async ({ token }) => (await api.request('/v1/jobs', { headers: { Authorization: `Bearer ${token}` } })).status,
      ),
    )
  expect(await statuses()).toEqual([200, 401])
  tokens = [old.record, next.record]
  expect(await statuses()).toEqual([200, 200])
  tokens = [next.record]
  expect(await statuses()).toEqual([401, 200])
  tokens = []
  expect(await statuses()).toEqual([401, 401])
})

test('records are texts as well, with or without an end', async () => {
  const clocked = { expiresAtMs: 4_102_444_800_000 }
  const { token, record } = await createToken({ name: 'ci', scopes: ['enqueue:a:b.*', 'read'], ...clocked })
  const text = toRecordText(record)
  expect(text).toBe(`ci:enqueue:a:b.*+read:${record.hash}:4102444800000`)
  const ended = toRecordText({ ...record, expiresAtMs: 1 })
  for (const [tokens, status] of [
    [[text], 200],
    [['another', text.replace(/:\d+$/, '')], 200],
    [[ended], 401],
    [[text.replace('+read', '')], 403],
  ] as const) {
    const { api } = setUp({ tokens })
    expect((await api.request('/v1/jobs', { headers: { Authorization: `Bearer ${token}` } })).status).toBe(status)
  }
})

test('whoever may work says which queues, and claims from no other', async () => {
  const app = new Hono()
  setNeeds(app)
  app.use('/v1/*', (c, next) => {
    requireScope(c, { who: '', scopes: [{ kind: 'work', glob: 'mail*' }] })
    return next()
  })
  app.post('/v1/exchange', async (c) => {
    requireWork(c, await c.req.json(), (at) => `queues.${at}`)
    return c.text('worked')
  })
  app.onError((error) => problemResponse(toRefusal(error)))
  const work = (queues: readonly string[]) =>
    app.request('/v1/exchange', { method: 'POST', body: JSON.stringify(queues) })
  expect((await work(['mail', 'mail.slow'])).status).toBe(200)
  const refused = await work(['mail', 'default'])
  expect([refused.status, await refused.json()]).toMatchObject([
    403,
    { detail: 'expected a token with the scope "work:default", got one without it', errors: [{ path: 'queues.1' }] },
  ])
})

const HASH = 'a'.repeat(64)
test.each([
  ['a hash that is none', { hash: 'A'.repeat(64), scopes: ['read'] }, 'hash'],
  ['a hash that is too short', { hash: 'abc', scopes: ['read'] }, 'hash'],
  ['no scopes', { hash: HASH, scopes: [] }, 'scopes'],
  ['scopes that are a text', { hash: HASH, scopes: 'read' }, 'scopes'],
  ['a scope that is none', { hash: HASH, scopes: ['read', 'write'] }, 'scopes[1]'],
  ['a scope that names no task', { hash: HASH, scopes: ['enqueue'] }, 'scopes[0]'],
  ['a scope that names an empty task', { hash: HASH, scopes: ['enqueue:'] }, 'scopes[0]'],
  ['a scope of all that takes no glob', { hash: HASH, scopes: ['read:*'] }, 'scopes[0]'],
  ['a scope inherited by every object', { hash: HASH, scopes: ['constructor'] }, 'scopes[0]'],
  ['a scope that would be two in a text', { hash: HASH, scopes: ['enqueue:a+admin'] }, 'scopes[0]'],
  ['a name with a colon', { hash: HASH, scopes: ['read'], name: 'a:b' }, 'name'],
  ['an end that is no number', { hash: HASH, scopes: ['read'], expiresAtMs: '2030-01-01' }, 'expiresAtMs'],
  ['a misspelt end', { hash: HASH, scopes: ['read'], expiresAt: 5 }, 'an object of'],
  ['a text with a scope that is none', `ci:write:${HASH}`, 'scopes[0]'],
  ['a text with an empty scope', `ci:read+:${HASH}`, 'scopes[1]'],
])('%s is refused when the API is created, and not repeated', (_, token, what) => {
  const create = () => setUp({ tokens: [token as never] })
  expect(create).toThrow(/^expected tokens\[0\]/)
  expect(create).toThrow(what)
  expect(create).not.toThrow(HASH)
})

test.each([
  ['email.*', ['email.send', 'email.'], ['email', 'emailXsend', 'xemail.send', 'Email.send']],
  ['*', ['', 'a', 'a/b:c'], []],
  ['*.send', ['email.send', '.send'], ['send', 'email.sender']],
  ['a*b*c', ['abc', 'axbxc', 'abcbc', 'abbcc'], ['ab', 'ac', 'acb', 'abcd']],
  ['a*a', ['aa', 'aba'], ['a']],
  ['a*ab*b', ['aabb', 'axabxb'], ['aab', 'abb']],
  ['**', ['', 'a'], []],
  ['email.send', ['email.send'], ['email.send2', 'emailxsend', '']],
  ['.+', ['.+'], ['a', 'abc']],
  ['(a|b)', ['(a|b)'], ['a', 'b']],
  ['[a-z]^$?', ['[a-z]^$?'], ['a']],
])('the glob %p fits %p, and none of %p', (glob, fitting, others) => {
  expect(fitting.filter((name) => !fits(glob, name))).toEqual([])
  expect(others.filter((name) => fits(glob, name))).toEqual([])
})

test('no glob makes a check slow', () => {
  // A matcher that goes back would take for ever.
  expect(fits(`${'*a'.repeat(99)}b`, 'a'.repeat(200))).toBe(false)
})

test('two tokens made alike are different, and neither is in its record', async () => {
  const [one, other] = await Promise.all([createToken({ scopes: ['read'] }), createToken({ scopes: ['read'] })])
  expect(one.token).toMatch(/^tq_[\w-]{43}$/)
  expect(one.token).not.toBe(other.token)
  expect(JSON.stringify(one.record)).not.toContain(one.token.slice(3))
})

test('a record that is mistyped is no token: whoever reads it cannot call by it', () => {
  const hash = 'ab'.repeat(32)
  for (const text of [
    `ci:read:${hash}:1795280000000000`,
    `ci:read:${hash.toUpperCase()}`,
    `ci@x:read:${hash}`,
    `ci:read:${hash}:`,
    `ci::${hash}`,
    `:read:${hash}`,
  ])
    expect(() => setUp({ tokens: [text] })).toThrow('expected tokens[0] to be a token, or the record of one')
})

const want = (lane: string, seq: number, more: object = {}) => ({ lane, seq, queues: ['mail'], want: 1, ...more })

test('a lane belongs to its token: nobody is told what another worker has claimed, nor stops it by a number far ahead', async () => {
  const { call, broker } = await withScopes(['work:mail'])
  await broker.enqueue([aJob('secret', { queue: 'mail' }), aJob('own', { queue: 'mail' })])
  const exchange = async (body: object, token?: string) => {
    const response = await call('POST', '/v1/exchange', body, token)
    return [response.status, ((await response.json()).jobs as { id: string }[] | undefined)?.map(({ id }) => id)]
  }
  expect(await exchange(want('a.1.0', 1), 'an-admin-token')).toEqual([200, ['secret']])
  expect(await exchange(want('a.1.0', 1))).toEqual([200, ['own']])
  expect(await exchange(want('a.1.0', 1))).toEqual([200, ['own']])
  expect(await exchange(want('a.1.0', Number.MAX_SAFE_INTEGER))).toEqual([200, []])
  expect(await exchange(want('a.1.0', 2), 'an-admin-token')).toEqual([200, []])
})

test('a worker that guesses the id and epoch of a job of another queue is late: it neither ends nor keeps it', async () => {
  const { call, broker, clock } = await withScopes(['work:mail*', 'work:news'])
  await broker.enqueue([aJob('theirs'), aJob('own', { queue: 'mail.fast' })])
  const exchange = async (body: object, token?: string) =>
    (await (await call('POST', '/v1/exchange', body, token)).json()) as { late: string[] }
  await exchange(want('b.1.0', 1, { queues: ['default'] }), 'an-admin-token')
  await exchange(want('a.1.0', 1, { queues: ['mail.fast'] }))
  const before = await broker.get(['theirs'])
  await clock.advance(1_000)
  const refs = ['theirs', 'own', 'nobody-knows'].map((id) => ({ id, epoch: 1 }))
  const extended = await exchange(want('a.1.0', 2, { extend: refs }))
  expect(extended.late.toSorted()).toEqual(['nobody-knows', 'theirs'])
  const settle = refs.map((ref) => ({ ...ref, kind: 'succeeded', result: 'forged' }))
  for (const _ of ['first', 'again'])
    expect((await exchange(want('a.1.0', 3, { settle }))).late.toSorted()).toEqual(['nobody-knows', 'theirs'])
  expect(await broker.get(['theirs'])).toEqual(before)
  expect(await broker.get(['own'])).toMatchObject([{ state: 'succeeded', result: '"forged"' }])
})

test('the queue of what it settles is looked up for a worker that may not work in all of them', async () => {
  for (const [scopes, expected] of [
    [['work:*'], []],
    [['admin'], []],
    [['work:mail'], ['get']],
  ] as const) {
    const calls: string[] = []
    const { call } = await withScopes(scopes, {}, (broker) => ({
      get: (...args) => {
        calls.push('get')
        return broker.get(...args)
      },
    }))
    expect((await call('POST', '/v1/exchange', want('a.1.0', 1))).status).toBe(200)
    expect(calls).toEqual([])
    const settle = [{ id: 'a', epoch: 1, kind: 'succeeded' }]
    expect((await call('POST', '/v1/exchange', want('a.1.0', 2, { settle }))).status).toBe(200)
    expect(calls).toEqual([...expected])
  }
})
