import { afterAll, test } from 'bun:test'
import { copyFileSync } from 'node:fs'
import { createClient } from '@redis/client'
import { createGateway, type GatewayOptions } from '../../../../adapters/gateway/index.ts'
import { listen } from '../../../../adapters/runtimes/listen.ts'
import type { Broker } from '../../../../src/broker.ts'
import { sleep, systemClock } from '../../../../src/clock.ts'
import { createFolder } from '../../../support/folder.ts'
import { redisServer, startRedis, type TestRedis } from '../../../support/redis-server.ts'

export const TOKEN = 'a-token-nobody-may-see'
/** What has to run there has to fail there, not to be left out. */
const isLeftOut = redisServer === null && process.env.TQ_REQUIRE_REDIS !== '1'

/** For what a Redis in JavaScript has not got: files, restarts, ACLs, speed. */
export const withRedis = (name: string, run: () => Promise<void>, timeoutMs = 60_000) =>
  test.skipIf(isLeftOut)(isLeftOut ? `${name} (needs redis-server on the PATH)` : name, run, timeoutMs)

/** The same, at once with the others of its file: for what waits more than it works. */
export const withRedisAtOnce: typeof withRedis = (name, run, timeoutMs = 60_000) =>
  isLeftOut ? withRedis(name, run) : test.concurrent(name, run, timeoutMs)

const cleanups: (() => Promise<void> | void)[] = []
afterAll(async () => {
  for (const cleanUp of cleanups.reverse()) await cleanUp()
})

export function endsWithTheTests(cleanUp: () => Promise<void> | void): void {
  cleanups.push(cleanUp)
}

export interface Store {
  readonly url: string
  /** Of the Redis behind the gateway. */
  redisUrl(): string
  /** Sets what the gateway lets nobody set. */
  configure(name: string, value: string): Promise<void>
  /** One command past the broker. */
  send(...command: readonly (string | number)[]): Promise<unknown>
  /** Ends the server as a power cut would. */
  kill(): Promise<void>
  /** Starts it again on its files. */
  start(): Promise<void>
  /** Takes a snapshot to start from later. */
  snapshot(): Promise<void>
  /** Puts the snapshot where the server finds it; between `kill` and `start`. */
  rollBack(): void
}

/** A redis-server that keeps its files over restarts, behind the gateway. */
export async function startStore(...args: readonly string[]): Promise<Store> {
  const folder = createFolder()
  const start = (port?: number) =>
    startRedis({ args: ['--dir', folder.path, ...args], ...(port ? { port } : {}) }) as Promise<TestRedis>
  let redis = await start()
  endsWithTheTests(async () => {
    await redis.stop()
    folder.remove()
  })
  const url = await startGatewayFor(redis.url)
  const send: Store['send'] = (...command) => sendTo(url, command)
  /** What the gateway refuses. */
  async function administer(...command: readonly string[]): Promise<void> {
    const client = await createClient({ url: redis.url }).connect()
    await client.sendCommand([...command])
    client.destroy()
  }
  return {
    url,
    redisUrl: () => redis.url,
    configure: (name, value) => administer('CONFIG', 'SET', name, value),
    send,
    kill: () => redis.stop(),
    async start() {
      redis = await start(redis.port)
    },
    async snapshot() {
      await administer('SAVE')
      copyFileSync(`${folder.path}/dump.rdb`, `${folder.path}/kept.rdb`)
    },
    rollBack: () => copyFileSync(`${folder.path}/kept.rdb`, `${folder.path}/dump.rdb`),
  }
}

/** A gateway of its own; answers its address. */
export async function startGatewayFor(redisUrl: string, options: Partial<GatewayOptions> = {}): Promise<string> {
  const gateway = await createGateway({ redis: redisUrl, tokens: [TOKEN], ...options })
  const server = await listen(gateway.fetch, { port: 0 })
  endsWithTheTests(async () => {
    await gateway.close()
    await server.close()
  })
  return server.url
}

export async function sendTo(url: string, command: readonly (string | number)[], token = TOKEN): Promise<unknown> {
  const reply = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(command),
  })
  const { result, error } = (await reply.json()) as { result: unknown; error?: string }
  if (error !== undefined) throw new Error(error)
  return result
}

/** How many jobs are neither finished nor gone. */
export async function openJobs(broker: Broker): Promise<number> {
  const { queues } = await broker.stats()
  return queues.reduce(
    (sum, { counts: { queued = 0, active = 0, scheduled = 0 } }) => sum + queued + active + scheduled,
    0,
  )
}

/** Looks until `condition` holds, whatever its calls throw meanwhile; the test's time limit ends it. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await Promise.resolve(condition()).catch(() => false))) await sleep(systemClock, 20)
}
