/** A Redis for development: a redis-server of this process's own, and the gateway before it. */
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createGateway } from '../../adapters/gateway/index.ts'
import { DEFAULT_GATEWAY_PORT } from '../port.ts'
import { listenNear } from './listen-near.ts'
import { REDIS_FOLDER, startRedisServer } from './redis-server.ts'

const TOKEN_BYTES = 24

/** What an app finds it by: the two that Upstash's packages read. */
export interface RedisVariables {
  readonly UPSTASH_REDIS_REST_URL: string
  readonly UPSTASH_REDIS_REST_TOKEN: string
}

export interface DevRedis {
  readonly variables: RedisVariables
  /** Rejects when the redis-server ends although nobody has stopped it. */
  readonly failed: Promise<never>
  stop(): Promise<void>
}

/** Throws `UsageError` where no redis-server can be started, `Unsupported` for one older than 7.0. */
export async function startDevRedis(): Promise<DevRedis> {
  const folder = resolve(REDIS_FOLDER)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const token = tokenOf(folder)
  const server = await startRedisServer(folder)
  try {
    const listening = await serve(server.url, token)
    return {
      variables: { UPSTASH_REDIS_REST_URL: listening.url, UPSTASH_REDIS_REST_TOKEN: token },
      failed: server.failed,
      async stop() {
        await listening.close()
        await server.stop()
      },
    }
  } catch (error) {
    await server.stop()
    throw error
  }
}

async function serve(redis: string, token: string): Promise<{ url: string; close(): Promise<void> }> {
  const gateway = await createGateway({ redis, tokens: [token] })
  const server = await listenNear(gateway.fetch, { port: undefined, fromPort: DEFAULT_GATEWAY_PORT }).catch(
    async (error: unknown) => {
      await gateway.close()
      throw error
    },
  )
  return {
    url: server.url,
    // The gateway first: it ends the streams, for which the server would wait.
    async close() {
      await gateway.close()
      await server.close()
    },
  }
}

/** The same at each start, so that other processes may keep it; for the eyes of its owner alone. */
function tokenOf(folder: string): string {
  const path = join(folder, 'token')
  const kept = existsSync(path) ? readFileSync(path, 'utf8').trim() : ''
  const token = kept || randomBytes(TOKEN_BYTES).toString('base64url')
  if (!kept) writeFileSync(path, `${token}\n`, { mode: 0o600 })
  chmodSync(path, 0o600)
  return token
}
