/**
 * The REST producer as a Cloudflare Worker: takes jobs on the edge, for workers that pull them from the same Redis anywhere
 * (`UPSTASH_REDIS_REST_URL=... UPSTASH_REDIS_REST_TOKEN=... npx tq-edge work`). No handler is bundled.
 */
import { redisBroker } from 'tq-edge/brokers/redis'
import { createApi } from 'tq-edge/http'

interface Env {
  readonly UPSTASH_REDIS_REST_URL: string
  /** A secret: `wrangler secret put UPSTASH_REDIS_REST_TOKEN`. */
  readonly UPSTASH_REDIS_REST_TOKEN: string
  /** A secret: bearer tokens of callers, separated by commas. */
  readonly TQ_TOKENS: string
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const broker = redisBroker({
      url: env.UPSTASH_REDIS_REST_URL,
      token: env.UPSTASH_REDIS_REST_TOKEN,
      subscribe: false,
    })
    return createApi({ broker, tokens: (env.TQ_TOKENS ?? '').split(',') }).fetch(request)
  },
}
