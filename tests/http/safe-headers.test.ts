import { expect, test } from 'bun:test'
import { defineApp, defineTask } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { toFetch } from 'tq-edge/fetch'
import { byOwnName } from '../../cli/loopback.ts'
import { SAFE_HEADERS, setSafeHeaders } from '../../src/http/safe-headers.ts'
import { setUp } from './support.ts'

const SAFE = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

const headersOf = (response: Response) => Object.fromEntries(response.headers)

test('every answer tells browsers to keep and to guess nothing, whether it is a refusal or not', async () => {
  const { api, post } = setUp()
  const answers = [
    await post('/v1/tasks/greet?id=a', 1),
    await api.request('/v1/queues'),
    await api.request('/healthz'),
    await api.request('/nothing'),
    await api.request('/v1/jobs', { method: 'PUT' }),
    await post('/v1/tasks/greet', '{'),
  ]
  expect(answers.map(({ status }) => status)).toEqual([202, 200, 200, 404, 405, 400])
  for (const answer of answers) expect(headersOf(answer)).toMatchObject(SAFE)
})

test('so do the answers that come before the API, or in its place', async () => {
  const app = defineApp({ tasks: [defineTask({ name: 't', run: () => {} })] })
  const broker = sqliteBroker({ path: ':memory:' })
  const handle = toFetch(app, { broker: () => broker })
  const answers = [
    await handle(new Request('http://app.example/v1/jobs'), {}),
    await byOwnName(() => new Response())(new Request('http://evil.example/v1/jobs')),
  ]
  expect(answers.map(({ status }) => status)).toEqual([500, 403])
  for (const answer of answers) expect(headersOf(answer)).toMatchObject(SAFE)
  await broker.close()
})

test('an answer that says something itself keeps it', () => {
  const headers = new Headers({ 'Content-Security-Policy': "default-src 'self'" })
  setSafeHeaders(headers, 'https://tq.example/docs')
  expect(headers.get('Content-Security-Policy')).toBe("default-src 'self'")
  expect(headers.get('Referrer-Policy')).toBe('no-referrer')
})

test('over TLS, and only there, the next call is to come so as well', async () => {
  const { api } = setUp()
  const hsts = async (url: string) => (await api.request(url)).headers.get('Strict-Transport-Security')
  expect(await hsts('https://tq.example/healthz')).toBe('max-age=31536000')
  expect(await hsts('http://tq.example/healthz')).toBeNull()
  for (const own of ['localhost:8443', 'tq.localhost', '127.0.0.1:8443', '[::1]'])
    expect(await hsts(`https://${own}/healthz`)).toBeNull()
})

test('the reference has each of them', async () => {
  const reference = await Bun.file(new URL('../../docs/rest.md', import.meta.url)).text()
  const missing = Object.entries(SAFE_HEADERS).filter(([name, value]) => !reference.includes(`\`${name}: ${value}\``))
  expect(missing).toEqual([])
})
