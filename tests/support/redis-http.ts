import { createGateway } from '../../adapters/gateway/index.ts'
import { listen } from '../../adapters/runtimes/listen.ts'
import { type StartRedisOptions, startRedisOrJs } from './redis-server.ts'

export interface RedisOverHttp {
  /** Of the REST API, on loopback. */
  readonly url: string
  readonly token: string
  /** Of the Redis behind it, for looking past the gateway. */
  readonly redisUrl: string
  stop(): Promise<void>
}

/** A Redis of a test's own with our gateway before it. */
export async function startRedisOverHttp(options: StartRedisOptions = {}): Promise<RedisOverHttp> {
  const token = 'a-token-for-tests'
  const redis = await startRedisOrJs(options)
  const gateway = await createGateway({ redis: redis.url, tokens: [token] })
  const server = await listen(gateway.fetch, { port: 0, hostname: '127.0.0.1' })
  return {
    url: server.url,
    token,
    redisUrl: redis.url,
    async stop() {
      await gateway.close()
      await server.close()
      await redis.stop()
    },
  }
}
