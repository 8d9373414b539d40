import { expect, test } from 'bun:test'
import { createFolder, GREETER } from './support.ts'

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
])('serve refuses to start with %s', async (_, flags, reason) => {
  await using folder = await createFolder()
  const { stderr, exitCode } = await folder.tq(['serve', '--port', '0', ...flags])
  expect(stderr).toContain(reason)
  expect(exitCode).toBe(2)
})

test('serve says which port is taken', async () => {
  await using folder = await createFolder()
  using taken = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
  const { stderr, exitCode } = await folder.tq(['serve', '--no-auth', '--port', String(taken.port)])
  expect(stderr).toContain(`got ${taken.port}, which is taken`)
  expect(exitCode).toBe(2)
})
