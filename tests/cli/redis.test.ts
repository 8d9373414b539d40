import { afterAll, expect, test } from 'bun:test'
import { startRedisOrJs } from '../support/redis-server.ts'
import { createFolder, GREETER } from './support.ts'

const TOKEN = 'a-token-for-tests'
const redis = await startRedisOrJs()
afterAll(() => redis.stop())

test('with the gateway before a Redis, every command runs on it as the environment says', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const gateway = folder.start(['gateway', '--redis', redis.url, '--port', '0', '--token', TOKEN])
  const [url = ''] = /http:\S+/.exec(await gateway.line('listening on')) ?? []
  for (const [urlName, tokenName] of [
    ['UPSTASH_REDIS_REST_URL', 'UPSTASH_REDIS_REST_TOKEN'],
    ['KV_REST_API_URL', 'KV_REST_API_TOKEN'],
  ] as const) {
    const options = { env: { [urlName]: url, [tokenName]: TOKEN, TQ_PREFIX: urlName.toLowerCase() } }
    const { stdout: id } = await folder.tq(['enqueue', 'greet', '{"name":"Ada"}'], options)
    expect((await folder.tq(['queues'], options)).stdout).toMatch(/default +0 +1 +0 +0/)
    const worked = await folder.tq(['work', '--burst'], options)
    expect([worked.stdout, worked.exitCode]).toEqual([expect.stringMatching(/ exchanges, \d+ commands\n$/), 0])
    const { stdout, exitCode } = await folder.tq(['result', id.trim(), '--json'], options)
    expect([JSON.parse(stdout).result, exitCode]).toEqual(['Hello, Ada', 0])
  }
  gateway.signal('SIGTERM')
  const { stdout, stderr, exitCode } = await gateway.exit
  expect(stdout + stderr).not.toContain(TOKEN)
  expect(exitCode).toBe(0)
})

test('what each worker has spent on a Redis, and what the look at it takes, is told', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const gateway = folder.start(['gateway', '--redis', redis.url, '--port', '0', '--token', TOKEN])
  const [url = ''] = /http:\S+/.exec(await gateway.line('listening on')) ?? []
  const options = { env: { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: TOKEN, TQ_PREFIX: 'spent' } }
  expect((await folder.tq(['work', '--burst', '--name', 'billed'], options)).exitCode).toBe(0)
  const { workers, commands } = JSON.parse((await folder.tq(['queues', '--json'], options)).stdout)
  // Of that moment: the worker said so with its first exchange, before anything was spent.
  expect(workers).toMatchObject([{ worker: expect.stringContaining('billed'), commands: 0 }])
  expect(commands).toBeGreaterThan(0)
  const { stdout } = await folder.tq(['queues'], options)
  expect(stdout).toMatch(/WORKER +QUEUES +RUNNING +RUNTIME +COMMANDS +SEEN\nbilled\S+ +default +0\/10 +.* 0 +\d/)
  gateway.signal('SIGTERM')
  await gateway.exit
})

test('a file that is named goes before the environment', async () => {
  await using folder = await createFolder()
  const env = { UPSTASH_REDIS_REST_URL: 'http://127.0.0.1:1', UPSTASH_REDIS_REST_TOKEN: TOKEN }
  expect((await folder.tq(['enqueue', 'greet', '{}', '--db', 'jobs.db'], { env })).exitCode).toBe(0)
})

test('an address without its token, and a gateway without any, are misuse', async () => {
  await using folder = await createFolder()
  const { stderr, exitCode } = await folder.tq(['queues'], { env: { UPSTASH_REDIS_REST_URL: 'http://127.0.0.1:1' } })
  expect(stderr).toContain('expected UPSTASH_REDIS_REST_TOKEN to be the token of UPSTASH_REDIS_REST_URL')
  expect(exitCode).toBe(2)
  expect((await folder.tq(['gateway', '--port', '0'])).exitCode).toBe(2)
  const certificates = await folder.tq(['gateway', '--token', TOKEN, '--redis', 'rediss://x', '--redis-ca', 'none.pem'])
  expect([certificates.exitCode, certificates.stderr]).toEqual([
    2,
    expect.stringContaining('expected --redis-ca to be a file that can be read, got none.pem (ENOENT)'),
  ])
})
