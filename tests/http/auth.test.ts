import { expect, spyOn, test } from 'bun:test'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { createApi } from 'tq-edge/http'
import { isAmong } from '../../src/hmac.ts'
import type { Tokens } from '../../src/http/tokens.ts'
import { SECRET, setUp } from './support.ts'

const TOKEN = 'correct-horse-battery-staple'
const withTokens = { tokens: ['another-token', TOKEN, 'a-third'] }

test.each(['another-token', TOKEN, 'a-third'])('each of several tokens opens the API: %p', async (token) => {
  const { post } = setUp(withTokens)
  expect((await post('/v1/tasks/greet', 1, { Authorization: `Bearer ${token}` })).status).toBe(202)
})

test('the scheme is read in any case', async () => {
  const { post } = setUp(withTokens)
  for (const scheme of ['bearer', 'BEARER', 'Bearer '])
    expect((await post('/v1/tasks/greet', 1, { Authorization: `${scheme} ${TOKEN}` })).status).toBe(202)
})

test.each([
  ['a wrong one', `Bearer ${SECRET}`],
  ['the beginning of one', `Bearer ${TOKEN.slice(0, -1)}`],
  ['a longer one', `Bearer ${TOKEN}x`],
  ['one in another case', `Bearer ${TOKEN.toUpperCase()}`],
])('%s is refused as invalid', async (_, authorization) => {
  const { post, broker } = setUp(withTokens)
  const response = await post('/v1/tasks/greet?id=a', 1, { Authorization: authorization })
  expect(response.status).toBe(401)
  expect(response.headers.get('WWW-Authenticate')).toBe('Bearer realm="tq", error="invalid_token"')
  expect(await response.text()).not.toContain(authorization.slice(7))
  expect(await broker.get(['a'])).toEqual([null])
})

test.each([
  ['none', {}],
  ['an empty one', { Authorization: 'Bearer ' }],
  ['two', { Authorization: `Bearer ${TOKEN} ${TOKEN}` }],
  ['another scheme', { Authorization: `Basic ${btoa(`tq:${TOKEN}`)}` }],
  ['one without its scheme', { Authorization: TOKEN }],
])('%s is challenged', async (_, headers) => {
  const { post } = setUp(withTokens)
  const response = await post('/v1/tasks/greet', 1, headers)
  expect(response.status).toBe(401)
  expect(response.headers.get('WWW-Authenticate')).toBe('Bearer realm="tq"')
  expect(await response.json()).toMatchObject({ type: 'urn:tq:problem:unauthorized' })
})

test('everything under /v1 is behind the token, however it is written', async () => {
  const { api } = setUp(withTokens)
  for (const path of [
    '/v1',
    '/v1/jobs/a',
    '/v1/jobs/a/result',
    '/v1/nothing',
    '/%761/jobs/a',
    '/v1/./jobs/a',
    '/x/../v1/jobs/a',
  ])
    expect(`${path} ${(await api.request(`http://localhost${path}`)).status}`).toBe(`${path} 401`)
  for (const path of ['//v1/jobs/a', '/V1/jobs/a', '/v1%2Fjobs/a'])
    expect(`${path} ${(await api.request(`http://localhost${path}`)).status}`).toBe(`${path} 404`)
})

test('health needs no token', async () => {
  const { get } = setUp(withTokens)
  const response = await get('/healthz')
  expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }])
})

test('a token in the query opens nothing', async () => {
  const { get } = setUp(withTokens)
  expect((await get(`/v1/jobs/a?access_token=${TOKEN}`)).status).toBe(401)
})

test('a comparison looks at every byte of every digest, wherever the match is', () => {
  const digest = (byte: number) => new Uint8Array(32).fill(byte)
  const readsOf = (candidate: Uint8Array) => {
    let reads = 0
    const counted = [1, 2, 3].map(
      (byte) =>
        new Proxy(digest(byte), {
          get: (target, key) => {
            if (typeof key === 'string' && /^\d+$/.test(key)) reads++
            const value = Reflect.get(target, key, target)
            return typeof value === 'function' ? value.bind(target) : value
          },
        }),
    )
    return { found: isAmong(candidate, counted), reads }
  }
  for (const byte of [1, 2, 3]) expect(readsOf(digest(byte))).toEqual({ found: true, reads: 96 })
  expect(readsOf(digest(4))).toEqual({ found: false, reads: 96 })
  const nearly = digest(3)
  nearly[31] = 0
  expect(readsOf(nearly)).toEqual({ found: false, reads: 96 })
})

test.each([
  ['no token', []],
  ['an empty token', ['good', '']],
  ['a token with a space', ['two words']],
  ['a token that no header carries', ['schlüssel']],
  ['a token that is no text', [undefined as unknown as string]],
  ['a text in place of a list', SECRET as unknown as Tokens],
  ['nothing', undefined as unknown as Tokens],
])('%s is refused when the API is created, and not repeated', (_, tokens) => {
  const broker = sqliteBroker({ path: ':memory:' })
  let thrown: unknown
  try {
    createApi({ broker, tokens })
  } catch (error) {
    thrown = error
  }
  expect(thrown).toMatchObject({ name: 'InvalidOption', message: expect.stringMatching(/^expected tokens/) })
  expect(String(thrown)).not.toMatch(/sesame|words|schl/)
})

test('tokens cannot be changed behind the API once it is there', async () => {
  const tokens = [TOKEN]
  const { post } = setUp({ tokens })
  tokens.push('added-later')
  expect((await post('/v1/tasks/greet', 1, { Authorization: 'Bearer added-later' })).status).toBe(401)
})

test.each([
  ['that a browser calls cross-site', { 'Sec-Fetch-Site': 'cross-site' }],
  ['that a browser calls same-site', { 'Sec-Fetch-Site': 'same-site' }],
  ['of another origin', { Origin: 'https://evil.example' }],
  ['of no origin', { Origin: 'null' }],
  ['of another port', { Origin: 'http://localhost:8080' }],
])('without tokens a page %s enqueues nothing', async (_, headers) => {
  const { post, broker } = setUp()
  const response = await post('/v1/tasks/greet?id=a', undefined, headers)
  expect(response.status).toBe(403)
  expect(await response.json()).toMatchObject({ type: 'urn:tq:problem:cross-site' })
  expect(await broker.get(['a'])).toEqual([null])
})

test.each([
  ['a program', {}],
  ['a page of its own', { Origin: 'http://localhost', 'Sec-Fetch-Site': 'same-origin' }],
  ['a page of its own in an older browser', { Origin: 'http://localhost' }],
  ['a page of its own behind a proxy that ends TLS', { Origin: 'https://localhost' }],
  ['the address bar', { 'Sec-Fetch-Site': 'none' }],
])('without tokens %s may call', async (_, headers) => {
  const { post } = setUp()
  expect((await post('/v1/tasks/greet', 1, headers)).status).toBe(202)
})

test('without tokens a page reaches the API by a name of this machine only, so no rebound name counts as its own', async () => {
  const { api } = setUp({ tokens: 'none' })
  const ask = (host: string, headers: Record<string, string>) =>
    api.request(`http://${host}/v1/tasks/greet`, { method: 'POST', body: '{"name":"Ada"}', headers })
  const page = { 'Sec-Fetch-Site': 'same-origin', 'Content-Type': 'application/json' }
  expect((await ask('rebound.example:8787', page)).status).toBe(403)
  expect((await ask('rebound.example', { ...page, Origin: 'http://rebound.example' })).status).toBe(403)
  for (const host of ['localhost:8787', '127.0.0.1:8787', '[::1]:8787'])
    expect((await ask(host, page)).status).not.toBe(403)
  // A webhook that comes through a tunnel is no page.
  expect((await ask('tunnel.example', { 'Content-Type': 'application/json' })).status).not.toBe(403)
})

test('calls that come at once with the same token share one look at it, and those with another have their own', async () => {
  const { api } = setUp({ tokens: ['right'] })
  const call = async (token: string) => api.request('/v1/tasks', { headers: { Authorization: `Bearer ${token}` } })
  await call('right')
  const digest = spyOn(crypto.subtle, 'digest')
  const tokens = Array.from({ length: 60 }, (_, at) => ['right', 'wrong', 'Right'][at % 3] as string)
  const answers = await Promise.all(tokens.map(call))
  expect(answers.map(({ status }) => status)).toEqual(tokens.map((token) => (token === 'right' ? 200 : 401)))
  expect(digest).toHaveBeenCalledTimes(3)
  await call('right')
  expect(digest).toHaveBeenCalledTimes(4)
  digest.mockRestore()
})
