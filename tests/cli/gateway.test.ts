import { afterAll, expect, test } from 'bun:test'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { toRequestLine } from '../../cli/gateway-log.ts'
import { createCertificate } from '../support/certificate.ts'
import { redisServer, startRedisOrJs } from '../support/redis-server.ts'
import { createFolder, type Folder, GREETER, type RunOptions } from './support.ts'

const TOKEN = 'a-token-for-tests'
const FILE = ['--tokens', 'tokens.json']
const hasRedisServer = redisServer !== null
const redis = await startRedisOrJs()
afterAll(() => redis.stop())

async function startGateway(folder: Folder, args: readonly string[], options: RunOptions = {}) {
  const gateway = folder.start(['gateway', '--port', '0', ...args], options)
  const [url = ''] = /http\S+/.exec(await gateway.line('listening on')) ?? []
  const statusOf = async (path: string, token: string) =>
    (await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } })).status
  return { gateway, url, statusOf }
}

const makeToken = async (folder: Folder, ...args: readonly string[]) =>
  (await folder.tq(['token', 'gateway', ...args, ...FILE])).stdout.trim()

test('settings come by flags, by the environment and in a file, in this order', async () => {
  await using folder = await createFolder()
  const inFile = await makeToken(folder, '--name', 'web', '--all')
  await folder.write(
    'config/gateway.json',
    JSON.stringify({
      redis: 'redis://127.0.0.1:1',
      port: 1,
      tokens: '../tokens.json',
      'max-commands': 1,
      'access-log': true,
    }),
  )
  const env = { TQ_GATEWAY_CONFIG: 'config/gateway.json', TQ_GATEWAY_REDIS: redis.url, TQ_GATEWAY_ACCESS_LOG: '0' }
  const { gateway, statusOf, url } = await startGateway(folder, [], { env })
  expect(await statusOf('/ping', inFile)).toBe(200)
  const body = '[["PING"],["PING"]]'
  const pipeline = await fetch(`${url}/pipeline`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${inFile}` },
  })
  expect(pipeline.status).toBe(413)
  gateway.signal('SIGTERM')
  const { stdout, stderr, exitCode } = await gateway.exit
  expect([stdout, stderr, exitCode]).toEqual([`listening on ${url}\n`, '', 0])
})

test.each([
  [['--config', 'none.json'], 'none.json (ENOENT)'],
  [['--config', 'list.json'], 'expected a JSON object in list.json'],
  [['--config', 'unknown.json'], 'got "max-comands": did you mean max-commands?'],
  [['--config', 'token.json'], 'got "token": tokens themselves go to TQ_GATEWAY_TOKENS'],
  [['--config', 'type.json'], 'expected "access-log" in type.json to be true or false'],
  [['--config', 'password.json'], 'expected a JSON object in password.json'],
  [['--token', TOKEN, '--max-commands', '0'], 'expected --max-commands to be a whole number of 1 or more'],
  [['--token', TOKEN, '--tls-cert', 'a.pem'], 'expected --tls-cert and --tls-key'],
  [['--token', TOKEN, '--trusted-proxies', 'nobody'], 'trustedProxies'],
  [['--token', TOKEN, '--config', 'ca.json'], 'to be a file that can be read, got /'],
  [['--tokens', 'none.json'], 'got none: tq token gateway --tokens none.json makes one'],
  [['--tokens', '.'], 'expected --tokens to be a file that can be read, got . (EISDIR)'],
  [['--token', TOKEN, '--deadline', '0'], 'expected --deadline to be more than 0 seconds'],
  [['--token', TOKEN, '--host', '0.0.0.0'], 'behind a proxy with TLS, --beyond-loopback'],
  [['--token', TOKEN, '--redis', 'redis://:hunter2@127.0.0.1:655360'], 'got one that cannot be read'],
  [['--tokens', 'rest.json'], 'one with another field'],
  [[], 'expected a token, got none'],
])('tq gateway %j is exit code 2, and says what to do', async (args, hint) => {
  await using folder = await createFolder()
  await folder.write('list.json', '[]')
  await folder.write('unknown.json', '{"max-comands":1}')
  await folder.write('token.json', '{"token":"hunter2"}')
  await folder.write('type.json', '{"access-log":"yes"}')
  await folder.write('password.json', '{"redis":"redis://:hunter2@')
  await folder.write('ca.json', '{"redis-ca":"none.pem"}')
  await folder.write('rest.json', `[{"hash":"${'a'.repeat(64)}","scopes":["read"]}]`)
  const { stdout, stderr, exitCode } = await folder.tq(['gateway', '--port', '0', '--redis', redis.url, ...args])
  expect(stderr).toContain(hint)
  expect(stderr).not.toContain('hunter2')
  expect([stdout, exitCode]).toEqual(['', 2])
})

test('a token that can be guessed is said to be one at the start, and not which', async () => {
  await using folder = await createFolder()
  for (const [token, hint] of [
    ['hunter2-hunter2', 'a token of fewer than 16 characters can be guessed'],
    [TOKEN, ''],
  ] as const) {
    const { gateway } = await startGateway(folder, ['--redis', redis.url, '--token', token])
    gateway.signal('SIGTERM')
    const { stderr } = await gateway.exit
    expect([stderr.includes(hint), stderr === '', stderr.includes(token)]).toEqual([true, hint === '', false])
  }
})

test('a Redis that does not answer is named, without its password', async () => {
  await using folder = await createFolder()
  const flags = ['--token', TOKEN, '--redis', 'redis://:hunter2@127.0.0.1:1/2']
  expect(await folder.tq(['gateway', '--port', '0', ...flags])).toMatchObject({
    stderr:
      'error: expected an answer of the redis broker, got ECONNREFUSED (from 127.0.0.1:1/2; --redis names another)\n',
    exitCode: 1,
  })
})

test('tokens are made, listed and revoked in a file, and a SIGHUP has it read again at once', async () => {
  await using folder = await createFolder()
  const first = await makeToken(folder, '--name', 'web', '--prefix', 'web:', '--read-only', '--expires', '30d')
  expect(await readFile(join(folder.path, 'tokens.json'), 'utf8')).not.toContain(first)
  const { gateway, statusOf } = await startGateway(folder, ['--redis', redis.url, ...FILE])
  const second = await makeToken(folder, '--name', 'app', '--all')
  const { stdout } = await folder.tq(['token', 'list', ...FILE])
  expect(stdout).toMatch(/web +read-only prefix:web: +20.*\napp +all/)
  await folder.tq(['token', 'revoke', 'web', ...FILE])
  gateway.signal('SIGHUP')
  await gateway.line('the tokens have been read again')
  expect([await statusOf('/ping', first), await statusOf('/ping', second)]).toEqual([401, 200])
  await folder.write('tokens.json', '[{')
  gateway.signal('SIGHUP')
  await gateway.line('the tokens as they were before are good still')
  expect(await statusOf('/ping', second)).toBe(200)
  gateway.signal('SIGTERM')
  const { stderr, exitCode } = await gateway.exit
  expect(stderr.match(/the tokens .*/g)).toEqual([
    'the tokens have been read again',
    'the tokens as they were before are good still',
  ])
  expect(exitCode).toBe(0)
})

test.skipIf(!hasRedisServer)('a worker needs a token for the prefix of its keys, with scripts', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const token = await makeToken(folder, '--name', 'worker', '--prefix', '{tq}:', '--scripts')
  const { url } = await startGateway(folder, ['--redis', redis.url, ...FILE])
  const options = { env: { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } }
  const { stdout: id } = await folder.tq(['enqueue', 'greet', '{"name":"Ada"}'], options)
  expect((await folder.tq(['work', '--beat', '--burst'], options)).exitCode).toBe(0)
  expect((await folder.tq(['result', id.trim()], options)).stdout).toContain('Hello, Ada')
})

test.each([[[]], [['--all', '--read-only']], [['--metrics', '--prefix', 'a']], [['--scripts']]])(
  'tq token gateway %j says too little or too much',
  async (args) => {
    await using folder = await createFolder()
    const { stdout, stderr, exitCode } = await folder.tq(['token', 'gateway', '--name', 'web', ...args])
    expect(stderr).toContain('expected one of --all, --metrics, or --read-only, --prefix and --command')
    expect([stdout, exitCode]).toEqual(['', 2])
  },
)

test('the access log is one JSON document a request, over TLS as well', async () => {
  await using folder = await createFolder()
  const { certPath, keyPath } = await createCertificate(folder.path)
  const flags = ['--redis', redis.url, '--token', TOKEN, '--tls-cert', certPath, '--tls-key', keyPath]
  const gateway = folder.start(['gateway', '--port', '0', '--access-log', '--json', ...flags])
  const { url } = JSON.parse(await gateway.line('gateway.listening'))
  expect(url).toStartWith('https://')
  const response = await fetch(`${url}/set/hunter2/hunter2`, {
    headers: { authorization: `Bearer ${TOKEN}` },
    tls: { ca: await readFile(certPath, 'utf8') },
  })
  expect(response.status).toBe(200)
  const line = await gateway.line('gateway.request')
  expect(line).toMatch(/"durationMs":\d+(?:\.\d{1,3})?,/)
  expect(JSON.parse(line)).toEqual({
    atMs: expect.any(Number),
    kind: 'gateway.request',
    method: 'GET',
    route: 'command',
    status: 200,
    durationMs: expect.any(Number),
    commands: { [hasRedisServer ? 'set' : expect.any(String)]: 1 },
    address: '127.0.0.1',
  })
  gateway.signal('SIGTERM')
  const { stdout, stderr, exitCode } = await gateway.exit
  expect(stdout + stderr).not.toMatch(/hunter2|a-token-for-tests/)
  expect(exitCode).toBe(0)
})

test('a SIGTERM ends streams at once, and lets what is under way finish', async () => {
  await using folder = await createFolder()
  const { gateway, url, statusOf } = await startGateway(folder, ['--redis', redis.url, '--token', TOKEN])
  const stream = await fetch(`${url}/subscribe/a`, { headers: { authorization: `Bearer ${TOKEN}` } })
  let answer = ''
  let onAnswered = () => {}
  const answered = new Promise<void>((resolve) => {
    onAnswered = resolve
  })
  const underWay = await Bun.connect({
    hostname: '127.0.0.1',
    port: Number(new URL(url).port),
    socket: {
      data(_, chunk) {
        answer += chunk.toString()
        if (answer.includes('}')) onAnswered()
      },
    },
  })
  const body = '["ECHO","late"]'
  underWay.write(
    `POST / HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 8)}`,
  )
  // What came before has been read when this is answered.
  expect(await statusOf('/ping', TOKEN)).toBe(200)
  gateway.signal('SIGTERM')
  expect(await stream.text()).toBe('data: subscribe,a,1\n\n')
  underWay.write(body.slice(8))
  await answered
  expect(answer).toMatch(/^HTTP\/1.1 200 /)
  expect(answer).toEndWith('{"result":"late"}')
  underWay.end()
  expect((await gateway.exit).exitCode).toBe(0)
})

test('a line of the access log has what there is, and a dash for what there is not', () => {
  const request = { method: 'POST', route: 'pipeline', status: 200, durationMs: 3, commands: { get: 2, set: 1 } }
  expect(toRequestLine({ ...request, token: 'web', address: '192.0.2.1' })).toBe(
    'POST  pipeline  200  3 ms  web  192.0.2.1  get x2 set',
  )
  expect(toRequestLine({ ...request, commands: {}, token: undefined, address: undefined })).toBe(
    'POST  pipeline  200  3 ms  -  -',
  )
})
