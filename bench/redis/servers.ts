import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createClient } from '@redis/client'
import { startRedis } from '../../tests/support/redis-server.ts'

const RELAY = fileURLToPath(new URL('./relay.ts', import.meta.url))
const TOKEN = 'a-token-for-the-bench'
/** What sets a connection up or looks at the server is nobody's work. */
const UNCOUNTED = /^(info|config|client|hello|auth|ping|select|command|flushall|quit|memory)(\||$)/

export interface Servers {
  readonly gatewayUrl: string
  readonly token: string
  /** Of the Redis that BullMQ connects to, or of the delay before it. */
  readonly redisPort: number
  /** How many commands the server executes meanwhile, those within scripts included. */
  countCommands(run: () => Promise<unknown>): Promise<number>
  usedBytes(): Promise<number>
  empty(): Promise<void>
  stop(): Promise<void>
}

/** A Redis that keeps nothing on disk, the gateway before it, and where asked for a delay before each of the two. */
export async function startServers(roundTripMs: number): Promise<Servers> {
  const redis = await startRedis()
  if (!redis) throw new Error('expected redis-server on the PATH, got none: install it')
  const gateway = await startRelay('gateway', redis.url, TOKEN)
  const relays = [gateway]
  const reach = async (port: number) => {
    if (roundTripMs === 0) return port
    const delay = await startRelay('delay', String(port), String(roundTripMs))
    relays.push(delay)
    return delay.port
  }
  const client = createClient({ url: redis.url, RESP: 2 })
  client.on('error', () => {})
  await client.connect()
  const info = async (section: string) => String(await client.sendCommand(['INFO', section]))
  return {
    gatewayUrl: `http://127.0.0.1:${await reach(gateway.port)}`,
    token: TOKEN,
    redisPort: await reach(redis.port),
    async countCommands(run) {
      await client.sendCommand(['CONFIG', 'RESETSTAT'])
      await run()
      return sumCalls(await info('commandstats'))
    },
    async usedBytes() {
      return Number(/^used_memory:(\d+)/m.exec(await info('memory'))?.[1])
    },
    async empty() {
      await client.sendCommand(['FLUSHALL', 'SYNC'])
    },
    async stop() {
      client.destroy()
      for (const relay of relays) relay.stop()
      await redis.stop()
    },
  }
}

function sumCalls(stats: string): number {
  let sum = 0
  for (const [, name = '', calls] of stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm))
    if (!UNCOUNTED.test(name)) sum += Number(calls)
  return sum
}

async function startRelay(...args: string[]): Promise<{ port: number; stop(): void }> {
  const child = spawn(process.execPath, [RELAY, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(Number(line.split(' ')[1])))
    child.once('exit', () => reject(new Error(`expected ${args[0]} to listen, got its end`)))
  })
  return { port, stop: () => child.stdin.end() }
}
