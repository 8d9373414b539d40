/** What comes in broken, by mistake or on purpose: refused with what to send instead, and nothing of it is stored. */
import { expect, test } from 'bun:test'
import { gzipSync } from 'bun'
import { createSchedules } from 'tq-edge/scheduler'
import { createToken } from '../../src/http/tokens.ts'
import { app, setUp } from './support.ts'

const JSON_TYPE = 'application/json'

/** An API with every route that takes a body. */
function withEverything() {
  const api = setUp({ schedules: (given) => createSchedules({ ...given, appName: 'shop' }) })
  const send = async (method: string, path: string, body: BodyInit, headers: Record<string, string> = {}) => {
    const response = await api.api.request(path, { method, body, headers: { 'Content-Type': JSON_TYPE, ...headers } })
    const { type = '', detail = '' } = response.status === 202 ? {} : await response.json()
    return { status: response.status, kind: type.replace('urn:tq:problem:', ''), detail, headers: response.headers }
  }
  const stored = async () => {
    const [{ jobs }, { schedules }] = await Promise.all([
      api.broker.list({ limit: 10 }),
      api.broker.schedules({ limit: 10 }),
    ])
    return [...jobs.map(({ id }) => id), ...schedules.map(({ name }) => name)]
  }
  return { ...api, send, stored }
}

const TAKE_BODIES: readonly [method: string, path: string][] = [
  ['POST', '/v1/tasks/anything?id=a'],
  ['POST', '/v1/jobs'],
  ['POST', '/v1/jobs/cancel'],
  ['POST', '/v1/queues/default/pause'],
  ['POST', '/v1/queues/default/purge'],
  ['POST', '/v1/exchange'],
  ['PUT', '/v1/schedules/report'],
]

const bytes = (...values: number[]) => new Uint8Array(values)
const QUOTE = 0x22

test.each<[what: string, body: BodyInit, kind: string, headers?: Record<string, string>]>([
  ['an overlong slash', bytes(QUOTE, 0xc0, 0xaf, QUOTE), 'malformed-json'],
  ['half a surrogate pair in UTF-8', bytes(QUOTE, 0xed, 0xa0, 0x80, QUOTE), 'malformed-json'],
  ['half a letter', bytes(QUOTE, 0xe2, 0x82, QUOTE), 'malformed-json'],
  ['a letter beyond Unicode', bytes(QUOTE, 0xf4, 0x90, 0x80, 0x80, QUOTE), 'malformed-json'],
  ['UTF-16', new Uint8Array(new Uint16Array([0xfeff, QUOTE, QUOTE]).buffer), 'malformed-json'],
  ['a zero byte', '{"task":"t"}\0', 'malformed-json'],
  ['a body that ends in the middle', '{"task":"anything","input":{"na', 'malformed-json'],
  ['a number beyond all', '{"task":"anything","input":1e999}', 'malformed-json'],
  ['a number below all', '{"task":"anything","input":[-1e999]}', 'malformed-json'],
  ['a number of 400 digits', `{"task":"anything","priority":${'9'.repeat(400)}}`, 'malformed-json'],
  ['a huge number that is long as well', `{"task":"anything","input":${'9'.repeat(211)}e99}`, 'malformed-json'],
  [
    'a body that says it is compressed',
    gzipSync('{"task":"t"}'),
    'unsupported-media-type',
    { 'Content-Encoding': 'gzip' },
  ],
  ['a body that says it is, and is not', '{"task":"t"}', 'unsupported-media-type', { 'Content-Encoding': 'br, gzip' }],
  ['a compressed body that does not say so', gzipSync('{"task":"t"}'), 'malformed-json'],
  ['another charset', '{"task":"t"}', 'unsupported-media-type', { 'Content-Type': 'application/json; charset=utf-16' }],
  ['a quoted one', '{"task":"t"}', 'unsupported-media-type', { 'Content-Type': 'application/json;Charset="latin1"' }],
  ['a form', 'task=anything', 'unsupported-media-type', { 'Content-Type': 'application/x-www-form-urlencoded' }],
])('%s is refused wherever a body is taken, and nothing is stored', async (_, body, kind, headers = {}) => {
  const { send, stored } = withEverything()
  for (const [method, path] of TAKE_BODIES) {
    const answer = await send(method, path, body, headers)
    expect([path, answer.kind]).toEqual([path, kind])
    expect(answer.status).toBe(kind === 'malformed-json' ? 400 : 415)
    expect(answer.detail).toStartWith('expected ')
  }
  expect(await stored()).toEqual([])
})

test('who sends what is compressed is told what is taken', async () => {
  const { send } = withEverything()
  const { headers } = await send('POST', '/v1/tasks/t', gzipSync('1'), { 'Content-Encoding': 'gzip' })
  expect(headers.get('Accept-Encoding')).toBe('identity')
})

test.each([
  JSON_TYPE,
  'application/json; charset=utf-8',
  'application/json;charset=UTF8',
  'APPLICATION/JSON; charset="UTF-8"',
  'application/cloudevents+json; charset=us-ascii; profile="a;b"',
])('JSON of the type %p is taken', async (type) => {
  const { send } = withEverything()
  expect(
    (await send('POST', '/v1/tasks/t', '1', { 'Content-Type': type, 'Content-Encoding': 'identity' })).status,
  ).toBe(202)
})

/** What becomes of an input on its way in and out again. */
async function returned(text: string): Promise<string> {
  const { post, api } = setUp()
  expect((await post('/v1/tasks/anything?id=a', text)).status).toBe(202)
  return (await api.request('/v1/jobs/a')).text()
}

test.each([
  ['a prototype', '{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"prototype":1}'],
  ['a prototype deep inside', '{"a":[{"__proto__":{"toJSON":1,"then":2}}]}'],
  ['names of methods', '{"toString":1,"hasOwnProperty":2,"valueOf":null,"toJSON":3,"then":4}'],
  ['half a surrogate pair, escaped', '{"a":"\\ud800","\\udfff":1}'],
  ['a text that looks like a huge number', '{"a":"1e999","b":"0xe123"}'],
  ['the largest number', '[1.7976931348623157e+308,-1.7976931348623157e+308,5e-324]'],
  ['control characters, escaped', '"\\u0000\\u001f\\u2028"'.replace('\\u2028', '\u2028')],
  ['many names', JSON.stringify(Object.fromEntries(Array.from({ length: 50_000 }, (_, at) => [`k${at}`, at])))],
])('%s is data, and comes back as it came', async (_, text) => {
  expect(await returned(text)).toContain(`"input":${text}`)
  expect([{}, [], Object].map((value) => [(value as { admin?: true }).admin, Object.keys(value)])).toEqual([
    [undefined, []],
    [undefined, []],
    [undefined, []],
  ])
})

test('a mark at the beginning that the text is UTF-8 is none of it; of names that come twice the last one counts', async () => {
  expect(await returned('\ufeff{"a":1}')).toContain('"input":{"a":1}')
  expect(await returned('{"a":1,"a":2}')).toContain('"input":{"a":2}')
})

test('a name that comes twice gets nobody past a scope', async () => {
  const { token, record } = await createToken({ name: 'ci', scopes: ['enqueue:email.*'] })
  const { post, broker } = setUp({ tokens: [record] })
  const headers = { Authorization: `Bearer ${token}` }
  expect((await post('/v1/jobs', '{"task":"email.send","task":"wipe","id":"a"}', headers)).status).toBe(403)
  expect((await post('/v1/jobs', '{"task":"wipe","task":"email.send","id":"b"}', headers)).status).toBe(202)
  expect(await broker.get(['a', 'b'])).toMatchObject([null, { task: 'email.send' }])
})

test.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__'])(
  'a field or a parameter called %p is as unknown as any',
  async (name) => {
    const { send, api, stored } = withEverything()
    const bodies: readonly [method: string, path: string, body: object][] = [
      ['POST', '/v1/jobs', { task: 'anything' }],
      ['POST', '/v1/jobs/cancel', { ids: ['a'] }],
      ['POST', '/v1/jobs/cancel', { filter: {} }],
      ['POST', '/v1/queues/default/purge', { limit: 1 }],
      ['POST', '/v1/exchange', { lane: 'a', seq: 1 }],
      ['PUT', '/v1/schedules/report', { task: 'anything', rule: { kind: 'every', everyMs: 60_000 } }],
    ]
    for (const [method, path, body] of bodies) {
      const text = JSON.stringify(body).replace(/\}$/, `,"${name}":{"admin":true}}`)
      expect([path, (await send(method, path, text)).kind]).toEqual([path, 'invalid-request'])
    }
    expect((await send('POST', `/v1/tasks/anything?${name}=1`, '1')).kind).toBe('invalid-request')
    expect((await send('POST', `/v1/tasks/anything?%5f%5Fproto__=1&${name}[a]=1`, '1')).kind).toBe('invalid-request')
    expect((await api.request(`/v1/jobs?${name}=1`)).status).toBe(400)
    expect(await stored()).toEqual([])
  },
)

const GOOD = { task: 'email.send', input: { to: 'ada@example.com' } }

test.each<[what: string, job: unknown]>([
  ['of an unknown task', { task: 'email.sned' }],
  ['whose input does not pass', { task: 'email.send', input: { to: 1 } }],
  ['with an unknown field', { ...GOOD, retries: 1 }],
  ['of a huge priority', { ...GOOD, priority: 1e300 }],
  ['due after all time', { ...GOOD, dueAtMs: 8.64e15 + 1 }],
  ['with two due times', { ...GOOD, delayMs: 1, dueAtMs: 1 }],
  ['with an id of no use', { ...GOOD, id: '..' }],
  ['that is none', null],
])('of a thousand jobs none is stored where the last is one %s', async (_, job) => {
  const { post, broker } = setUp({ app })
  const jobs = [...Array(999).fill(GOOD), job]
  for (const body of [jobs, { jobs }]) {
    const response = await post('/v1/jobs', body)
    const { errors } = (await response.json()) as { errors: { path: string }[] }
    expect(response.status).toBeGreaterThanOrEqual(400)
    expect(response.status).toBeLessThan(500)
    expect(errors[0]?.path).toContain('999')
  }
  expect((await broker.list({ limit: 1 })).jobs).toEqual([])
})

test('a version that is not there is no path, and stores nothing', async () => {
  const { send, stored } = withEverything()
  for (const path of ['/v2/tasks/anything', '/v0/jobs', '/tasks/anything', '/v1.1/jobs'])
    expect(await send('POST', path, '{"task":"anything"}')).toMatchObject({ status: 404, kind: 'unknown-route' })
  expect(await stored()).toEqual([])
})
