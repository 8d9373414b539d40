import { expect, test } from 'bun:test'
import { BrokerUnavailable } from 'tq-edge'
import { cors } from 'tq-edge/http'
import { setUp } from './support.ts'

const TOKEN = 'correct-horse-battery-staple'
const ORIGIN = 'https://app.example'
const own = { Origin: ORIGIN, Authorization: `Bearer ${TOKEN}` }
const withPages = { tokens: [TOKEN], cors: cors({ origins: [ORIGIN, 'http://localhost:3000'] }) }

const corsOf = ({ headers }: Response) =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')))

/** What a browser asks before a page may send such a call. */
const preflight = (origin: string, method = 'POST') => ({
  method: 'OPTIONS',
  headers: { Origin: origin, 'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': 'x-own' },
})

test('a preflight of a page that may call is answered without a token, and remembered', async () => {
  const { api, events } = setUp(withPages)
  const response = await api.request('/v1/tasks/greet', preflight(ORIGIN))
  expect([response.status, await response.text()]).toEqual([204, ''])
  expect(corsOf(response)).toEqual({
    'access-control-allow-origin': ORIGIN,
    'access-control-allow-methods': 'GET,HEAD,POST,PUT,DELETE',
    'access-control-allow-headers': expect.stringMatching(/^Authorization,Content-Type,/),
    'access-control-expose-headers': expect.stringMatching(/Location.*RateLimit.*Retry-After/),
    'access-control-max-age': '7200',
  })
  expect(response.headers.get('Vary')).toContain('Origin')
  expect(events).toMatchObject([{ kind: 'http.request', method: 'OPTIONS', status: 204 }])
})

test('a page that may call reads every answer, also a refusal', async () => {
  const { api, post } = setUp({
    ...withPages,
    addressOf: () => '192.0.2.1',
    wrap: () => ({ get: () => Promise.reject(new BrokerUnavailable('redis', 'gone')) }),
  })
  const wrong = { ...own, Authorization: 'Bearer wrong' }
  const answers = [
    await post('/v1/tasks/greet?id=a', { name: 'Ada' }, own),
    await post('/v1/tasks/greet', '{', own),
    await post('/v1/nothing', {}, own),
    await api.request('/v1/jobs', { method: 'PATCH', headers: own }),
    await api.request('/v1/jobs/a', { headers: own }),
    await post('/v1/tasks/greet', {}, wrong),
  ]
  for (let at = 0; at < 20; at++) await post('/v1/tasks/greet', {}, wrong)
  answers.push(await post('/v1/tasks/greet', {}, own))
  expect(answers.map(({ status }) => status)).toEqual([202, 400, 404, 405, 503, 401, 429])
  for (const answer of answers) {
    expect(answer.headers.get('Access-Control-Allow-Origin')).toBe(ORIGIN)
    expect(answer.headers.get('Vary')).toBe('Origin')
    expect(answer.headers.has('Access-Control-Allow-Credentials')).toBe(false)
  }
  expect(answers[0]?.headers.get('Access-Control-Expose-Headers')?.split(',')).toContain('Location')
})

test.each([
  'https://evil.example',
  'http://app.example',
  'https://app.example:8443',
  'https://sub.app.example',
  'null',
  '',
])('the origin %p is none of them', async (origin) => {
  const { api } = setUp(withPages)
  for (const response of [
    await api.request('/v1/jobs', preflight(origin)),
    await api.request('/v1/jobs', { headers: { ...own, Origin: origin } }),
  ])
    expect(response.headers.has('Access-Control-Allow-Origin')).toBe(false)
})

test('where any page may call, none may with what a browser adds by itself', async () => {
  const { api } = setUp({ tokens: [TOKEN], cors: cors({ origins: ['*'] }) })
  const response = await api.request('/v1/jobs', { headers: own })
  expect([response.status, response.headers.get('Access-Control-Allow-Origin')]).toEqual([200, '*'])
  expect(response.headers.has('Access-Control-Allow-Credentials')).toBe(false)
})

test('an OPTIONS that is no preflight is a call like any other', async () => {
  const { api } = setUp(withPages)
  expect((await api.request('/v1/jobs', { method: 'OPTIONS', headers: { Origin: ORIGIN } })).status).toBe(401)
  expect((await api.request('/v1/jobs', { method: 'OPTIONS', headers: own })).status).toBe(405)
})

test('without tokens a page of another site is refused still, whatever it may read', async () => {
  const { api, broker } = setUp({ tokens: 'none', cors: cors({ origins: [ORIGIN] }) })
  for (const headers of [{ Origin: ORIGIN }, { Origin: ORIGIN, 'Sec-Fetch-Site': 'cross-site' }])
    expect((await api.request('/v1/tasks/greet?id=a', { method: 'POST', headers })).status).toBe(403)
  expect(await broker.get(['a'])).toEqual([null])
})

test('nothing outside of the calls is for pages: health and webhooks have no such headers', async () => {
  const { api } = setUp(withPages)
  expect(corsOf(await api.request('/healthz', { headers: { Origin: ORIGIN } }))).toEqual({})
})

test.each([
  [[]],
  [['https://app.example/']],
  [['https://app.example/path']],
  [['app.example']],
  [['null']],
  [['*', 'https://app.example']],
  [['https://*.example']],
  [[undefined as unknown as string]],
  ['https://app.example' as unknown as string[]],
])('origins such as %j are refused', (origins) => {
  expect(() => cors({ origins })).toThrow(
    'expected origins to be addresses such as https://app.example, without a path',
  )
})
