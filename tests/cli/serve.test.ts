import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { createCertificate } from '../support/certificate.ts'
import { createFolder, type Folder, GREETER } from './support.ts'

const TOKEN = 'a-token-for-tests'

test('serve takes a job over HTTP, a worker runs it, and the result comes back', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const server = folder.start(['serve', '--port', '0', '--token', 'another', '--token', TOKEN])
  const [url] = /http:\S+/.exec(await server.line('listening on')) ?? []
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const post = (task: string, body: string, sent: HeadersInit = headers) =>
    fetch(`${url}/v1/tasks/${task}`, { method: 'POST', headers: sent, body })

  expect((await post('greet', '{"name":"Ada"}', {})).status).toBe(401)
  expect((await post('gret', '{}')).status).toBe(404)
  const accepted = await post('greet', '{"name":"Ada"}')
  expect(accepted.status).toBe(202)
  const { id } = (await accepted.json()) as { id: string }
  const result = fetch(`${url}/v1/jobs/${id}/result?wait=30`, { headers })
  await folder.tq(['work', '--burst'])
  const { paths } = (await (await fetch(`${url}/openapi.json`, { headers })).json()) as { paths: object }
  expect(Object.keys(paths)).toContain('/v1/tasks/greet')
  expect(await (await result).json()).toMatchObject({ state: 'succeeded', result: 'Hello, Ada' })

  server.signal('SIGTERM')
  const { stdout, stderr, exitCode } = await server.exit
  expect(stdout).toMatch(/enqueued +greet/)
  expect(stdout + stderr).not.toContain(TOKEN)
  expect(exitCode).toBe(0)
})

test('serve --no-docs has no document and no page of its API', async () => {
  await using folder = await createFolder()
  const server = folder.start(['serve', '--port', '0', '--no-auth', '--no-docs'])
  const [url] = /http:\S+/.exec(await server.line('listening on')) ?? []
  for (const path of ['/openapi.json', '/docs']) expect((await fetch(`${url}${path}`)).status).toBe(404)
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  server.signal('SIGTERM')
  await server.exit
})

test('tokens also come from TQ_TOKENS, and events go out as JSON lines', async () => {
  await using folder = await createFolder()
  const server = folder.start(['serve', '--port=0', '--json'], { env: { TQ_TOKENS: `x, ${TOKEN}` } })
  const { url } = JSON.parse(await server.line('http.listening'))
  const response = await fetch(`${url}/v1/jobs/none`, { headers: { authorization: `Bearer ${TOKEN}` } })
  expect(response.status).toBe(404)
  expect(JSON.parse(await server.line('http.request'))).toMatchObject({ method: 'GET', status: 404 })
  server.signal('SIGINT')
  expect((await server.exit).exitCode).toBe(0)
})

test.each([
  ['no token', [], 'expected a token, got none'],
  ['no token, and a host that is not loopback', ['--no-auth', '--host', '0.0.0.0'], 'this machine alone'],
  ['a token and --no-auth', ['--no-auth', '--token', 'x'], 'got both'],
  ['a rate limit and no tokens', ['--no-auth', '--rate-limit', '5/s'], 'expected --rate-limit with tokens'],
  ['calls without a time', ['--token', 'x', '--rate-limit', '100'], 'such as 100/10s, got "100"'],
  ['calls in less than a second', ['--token', 'x', '--rate-limit', '1/100ms'], 'from 1/31d to 1000000/1s'],
  ['no calls at all', ['--token', 'x', '--address-rate-limit', '0/s'], 'expected --address-rate-limit to be calls'],
])('serve refuses to start with %s', async (_, flags, reason) => {
  await using folder = await createFolder()
  const { stderr, exitCode } = await folder.tq(['serve', '--port', '0', ...flags])
  expect(stderr).toContain(reason)
  expect(exitCode).toBe(2)
})

test('servers on one broker count the calls of a token together', async () => {
  await using folder = await createFolder()
  const serve = async () => {
    const server = folder.start(['serve', '--port', '0', '--token', TOKEN, '--rate-limit', '2/1h'])
    const [url] = /http:\S+/.exec(await server.line('listening on')) ?? []
    return async () => (await fetch(`${url}/v1/jobs`, { headers: { authorization: `Bearer ${TOKEN}` } })).status
  }
  const [call, callOther] = [await serve(), await serve()]
  expect([await call(), await callOther(), await call(), await callOther()]).toEqual([200, 200, 429, 429])
})

test('serve says which port is taken', async () => {
  await using folder = await createFolder()
  using taken = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
  const { stderr, exitCode } = await folder.tq(['serve', '--no-auth', '--port', String(taken.port)])
  expect(stderr).toContain(`got ${taken.port}, which is taken`)
  expect(exitCode).toBe(2)
})

const authorized = { authorization: `Bearer ${TOKEN}` }

/** Starts a server and says where it is. */
async function serve(folder: Folder, flags: readonly string[]) {
  const server = folder.start(['serve', '--port', '0', '--token', TOKEN, ...flags])
  const [url = ''] = /https?:\S+/.exec(await server.line('listening on')) ?? []
  return { server, url }
}

/** The statuses of so many calls with a wrong token, and of a right one after them. */
async function statusesAfter(url: string, failures: number, headers: Record<string, string> = {}) {
  const call = async (token: string) =>
    (await fetch(`${url}/v1/queues`, { headers: { ...headers, authorization: `Bearer ${token}` } })).status
  for (let at = 0; at < failures; at++) await call('wrong')
  return call(TOKEN)
}

test('serve slows down an address with too many failed checks, and no header makes another of it', async () => {
  await using folder = await createFolder()
  const { url } = await serve(folder, ['--trusted-proxies', '192.0.2.1'])
  expect(await statusesAfter(url, 20, { 'x-forwarded-for': '203.0.113.1' })).toBe(429)
  expect(await statusesAfter(url, 0, { 'x-forwarded-for': '203.0.113.2' })).toBe(429)
})

test('behind a proxy that is named, the callers are told apart; behind one that is not, nobody is shut out', async () => {
  await using folder = await createFolder()
  const behind = await serve(folder, ['--trusted-proxies', '1'])
  expect(await statusesAfter(behind.url, 20, { 'x-forwarded-for': '6.6.6.6, 203.0.113.1' })).toBe(429)
  expect(await statusesAfter(behind.url, 0, { 'x-forwarded-for': '203.0.113.1, 203.0.113.2' })).toBe(200)
  const unnamed = await serve(folder, [])
  expect(await statusesAfter(unnamed.url, 25, { 'x-forwarded-for': '203.0.113.1' })).toBe(200)
  expect(await unnamed.server.line('--trusted-proxies')).toContain('a proxy at 127.0.0.1')
})

test('serve counts the calls of each address behind a proxy, whatever their token', async () => {
  await using folder = await createFolder()
  const { url } = await serve(folder, ['--trusted-proxies', '1', '--address-rate-limit', '1/1h'])
  const from = (address: string) => statusesAfter(url, 0, { 'x-forwarded-for': address })
  expect([await from('203.0.113.1'), await from('203.0.113.1'), await from('203.0.113.2')]).toEqual([200, 429, 200])
})

test('serve verifies a webhook by the address that its sender has called, as the proxy says it', async () => {
  await using folder = await createFolder()
  await folder.write(
    'tq.config.ts',
    `
import { defineApp, defineTask } from 'tq-edge'
import { twilio, webhook } from 'tq-edge/webhooks'
export default defineApp({
  tasks: [defineTask({ name: 'note', run: (text) => text })],
  webhooks: () => [webhook('/hooks/twilio', twilio({ secret: 'a-long-secret' }), 'note')],
})
`,
  )
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'x-twilio-signature': new Bun.CryptoHasher('sha1', 'a-long-secret')
      .update('https://app.example/hooks/twilio?a=1Bodyhello')
      .digest('base64'),
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'app.example',
  }
  const deliver = async (url: string) =>
    (await fetch(`${url}/hooks/twilio?a=1`, { method: 'POST', headers, body: 'Body=hello' })).status
  expect(await deliver((await serve(folder, ['--trusted-proxies', '127.0.0.0/8'])).url)).toBe(200)
  expect(await deliver((await serve(folder, ['--trusted-proxies', '10.0.0.0/8'])).url)).toBe(401)
})

test('serve answers over TLS with a certificate of one’s own', async () => {
  await using folder = await createFolder()
  const { certPath, keyPath } = await createCertificate(folder.path)
  const { url } = await serve(folder, ['--tls-cert', certPath, '--tls-key', keyPath])
  const ca = await Bun.file(certPath).text()
  const response = await fetch(`${url}/v1/queues`, { headers: authorized, tls: { ca } })
  expect([url.slice(0, 8), response.status]).toEqual(['https://', 200])
  expect(
    await fetch(url.replace('https', 'http')).then(
      ({ status }) => status,
      () => 'refused',
    ),
  ).toBe('refused')
})

test('serve names the file that it cannot serve TLS with, and what is wrong with it', async () => {
  await using folder = await createFolder()
  const own = await createCertificate(folder.path)
  const other = await createCertificate(folder.path, 'other')
  await folder.write('none.pem', 'no certificate')
  const none = join(folder.path, 'none.pem')
  const start = async (...flags: string[]) => {
    const { stderr, exitCode } = await folder.tq(['serve', '--port', '0', '--token', TOKEN, ...flags])
    expect(exitCode).toBe(2)
    return stderr
  }
  expect(await start('--tls-cert', own.certPath)).toContain('expected --tls-cert and --tls-key, got --tls-cert alone')
  expect(await start('--tls-key', own.keyPath)).toContain('got --tls-key alone')
  expect(await start('--tls-cert', 'gone.pem', '--tls-key', own.keyPath)).toContain(
    'expected --tls-cert to be a file that can be read, got gone.pem (ENOENT)',
  )
  expect(await start('--tls-cert', none, '--tls-key', own.keyPath)).toContain(
    `expected --tls-cert to be a certificate as PEM, got ${none}, which is none`,
  )
  expect(await start('--tls-cert', own.certPath, '--tls-key', none)).toContain(`got ${none}, which is none`)
  expect(await start('--tls-cert', own.certPath, '--tls-key', other.keyPath)).toContain(
    `got ${other.keyPath}, which is that of another`,
  )
}, 30_000)

test('serve lets pages of the origins that it is told call, and no others', async () => {
  await using folder = await createFolder()
  const { url } = await serve(folder, ['--cors-origin', 'https://app.example', '--cors-origin=https://b.example'])
  const allowed = async (origin: string) =>
    (await fetch(`${url}/v1/queues`, { headers: { ...authorized, origin } })).headers.get('access-control-allow-origin')
  expect(await Promise.all(['https://app.example', 'https://b.example', 'https://c.example'].map(allowed))).toEqual([
    'https://app.example',
    'https://b.example',
    null,
  ])
})

test.each([
  ['--trusted-proxies', 'proxy.example', 'expected --trusted-proxies to be a number of proxies, or addresses'],
  [
    '--cors-origin',
    'https://app.example/',
    'expected --cors-origin to be addresses such as https://app.example, without',
  ],
])('serve says what is wrong with %s %s', async (flag, value, reason) => {
  await using folder = await createFolder()
  const { stderr, exitCode } = await folder.tq(['serve', '--port', '0', '--token', TOKEN, flag, value])
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(reason)])
})

test.each([
  ['--trusted-proxies', '1'],
  ['--cors-origin', 'https://app.example'],
])('serve without tokens takes no %s', async (flag, value) => {
  await using folder = await createFolder()
  const { stderr, exitCode } = await folder.tq(['serve', '--port', '0', '--no-auth', flag, value])
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(`expected ${flag} with tokens, got --no-auth`)])
})
