import { expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { chmod, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from '@upstash/redis'
import { startRedisServer } from '../../cli/dev/redis-server.ts'
import { redisServer } from '../support/redis-server.ts'
import { createFolder, type Folder, GREETER, type Running, serverAs } from './support.ts'

const withRedis = (name: string, run: () => Promise<void>) =>
  test.skipIf(!redisServer)(redisServer ? name : `${name} (needs redis-server on the PATH)`, run)

interface Dev extends Running {
  readonly api: string
  /** As its output says. */
  readonly url: string
  readonly token: string
  readonly redis: Redis
}

async function startDev(folder: Folder, env: Record<string, string> = {}, server = 'redis-server'): Promise<Dev> {
  const PATH = await serverAs(server, folder)
  const dev = folder.start(['dev', '--port', '0', '--redis'], { env: { ...env, PATH } })
  const [api = ''] = /http:\S+/.exec(await dev.line('listening on')) ?? []
  const [, url = ''] = /UPSTASH_REDIS_REST_URL=(\S+)/.exec(await dev.line('UPSTASH_REDIS_REST_URL')) ?? []
  const [, token = ''] = /UPSTASH_REDIS_REST_TOKEN=(\S+)/.exec(await dev.line('UPSTASH_REDIS_REST_TOKEN')) ?? []
  return { ...dev, api, url, token, redis: new Redis({ url, token, enableTelemetry: false }) }
}

async function pidOf({ redis }: Dev): Promise<number> {
  const info = await redis.eval("return redis.call('INFO', 'server')", [], [])
  return Number(/^process_id:(\d+)/m.exec(String(info))?.[1])
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Ctrl-C goes to a whole group of processes. */
function groupOf(pid: number): number {
  return Number(Bun.spawnSync(['ps', '-o', 'pgid=', '-p', String(pid)]).stdout.toString())
}

/** It ends by itself, and its socket with it; the test's time limit ends the wait. */
async function untilEnded(folder: Folder): Promise<void> {
  while (existsSync(join(folder.path, '.tq/redis/redis.sock'))) await new Promise(setImmediate)
}

/** An app that uses Redis for itself, by what the environment says. */
const COUNTER = `
import { Redis } from '@upstash/redis'
import { defineApp, defineTask } from 'tq-edge'

const redis = Redis.fromEnv({ enableTelemetry: false })
const count = defineTask({ name: 'count', run: () => redis.incr('visits') })

export default defineApp({ tasks: [count] })
`

withRedis('jobs and what the app itself keeps are in the Redis that dev has started, and outlive it', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', COUNTER)
  // What the environment says, maybe of production, is not asked.
  const env = { KV_REST_API_URL: 'http://127.0.0.1:1', UPSTASH_REDIS_REST_URL: 'http://127.0.0.1:1' }
  const first = await startDev(folder, env)
  const job = await fetch(`${first.api}/v1/tasks/count?id=one`, { method: 'POST' })
  expect(job.status).toBe(202)
  await first.line(/succeeded +count +.*1/)
  expect(await first.redis.get<number>('visits')).toBe(1)
  const pid = await pidOf(first)
  first.signal('SIGTERM')
  expect((await first.exit).exitCode).toBe(0)
  expect(isRunning(pid)).toBe(false)

  const second = await startDev(folder, env)
  expect(second.token).toBe(first.token)
  expect(await second.redis.get<number>('visits')).toBe(1)
  expect(await (await fetch(`${second.api}/v1/jobs/one`)).json()).toMatchObject({ state: 'succeeded' })
})

withRedis('the token and the data are for the eyes of their owner, and no port leads past the token', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const dev = await startDev(folder)
  const modeOf = async (path: string) => (await stat(join(folder.path, '.tq/redis', path))).mode & 0o777
  expect([await modeOf(''), await modeOf('token'), await modeOf('redis.sock')]).toEqual([0o700, 0o600, 0o700])
  expect(await readFile(join(folder.path, '.tq/redis/token'), 'utf8')).toBe(`${dev.token}\n`)
  expect(await dev.redis.eval("return redis.call('INFO', 'server')", [], [])).toContain('tcp_port:0')
  expect((await fetch(`${dev.url}/ping`)).status).toBe(401)
})

withRedis('a dev that is killed takes its redis-server with it, and what was written is there', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const dev = await startDev(folder)
  await dev.redis.set('kept', 'yes')
  dev.signal('SIGKILL')
  await dev.exit
  await untilEnded(folder)
  expect(await (await startDev(folder)).redis.get<string>('kept')).toBe('yes')
})

withRedis('a second dev on the same data is refused, and the first goes on', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const dev = await startDev(folder)
  const { stderr, exitCode } = await folder.tq(['dev', '--port', '0', '--redis'], {
    env: { PATH: await serverAs('redis-server', folder) },
  })
  expect(stderr).toContain('another tq dev --redis runs in this folder')
  expect(exitCode).toBe(2)
  expect(await dev.redis.ping()).toBe('PONG')
})

withRedis('jobs that finish after a Ctrl-C still have their Redis; then it ends', async () => {
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  using held = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    fetch: () => gate.then(() => new Response()),
  })
  await using folder = await createFolder()
  await folder.write(
    'tq.config.ts',
    COUNTER.replace('() => redis', "async () => (await fetch(process.env.GATE ?? ''), redis)"),
  )
  const dev = await startDev(folder, { GATE: held.url.href })
  await fetch(`${dev.api}/v1/tasks/count`, { method: 'POST' })
  await dev.line(/started +count/)
  const pid = await pidOf(dev)
  expect(groupOf(pid)).toBe(pid)
  dev.signal('SIGINT')
  await dev.line('stopping')
  release()
  await dev.line(/succeeded +count/)
  expect((await dev.exit).exitCode).toBe(0)
  expect(isRunning(pid)).toBe(false)
})

withRedis('a redis-server that ends by itself ends dev as well, and says so', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const dev = await startDev(folder)
  process.kill(await pidOf(dev), 'SIGKILL')
  const { stderr, exitCode } = await dev.exit
  expect(stderr).toContain('expected an answer of the redis broker, got the end of its redis-server (SIGKILL)')
  expect(exitCode).toBe(1)
})

withRedis('a valkey-server serves as well', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const dev = await startDev(folder, {}, 'valkey-server')
  expect(await dev.redis.ping()).toBe('PONG')
})

test('without a redis-server on the PATH it says how to get one', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const { stderr, exitCode } = await folder.tq(['dev', '--redis'], { env: { PATH: folder.path } })
  expect(stderr).toContain('expected redis-server or valkey-server on the PATH for --redis, got neither')
  expect(stderr).toContain('brew install redis, apt install redis-server')
  expect(exitCode).toBe(2)
})

test('a redis-server that does not start is told of in its own words', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  await folder.write('redis-server', '#!/bin/sh\necho starting\necho "Cannot open the append log file"\nexit 1\n')
  await chmod(join(folder.path, 'redis-server'), 0o755)
  const { stderr, exitCode } = await folder.tq(['dev', '--redis'], { env: { PATH: folder.path } })
  expect(stderr).toContain('got Cannot open the append log file')
  expect(exitCode).toBe(2)
})

test('a file and a Redis at once are refused, as is a folder too deep for a socket', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const both = await folder.tq(['dev', '--redis', '--db', 'jobs.db'])
  expect([both.stderr, both.exitCode]).toEqual([expect.stringContaining('expected --redis or --db, got both'), 2])
  await expect(startRedisServer(`/${'deep/'.repeat(20)}`)).rejects.toThrow('start in a folder with a shorter path')
})
