/** The conformance cases as a Cloudflare Worker: `fetch` runs them, `scheduled` fires what is due and runs what is there. */
import { createWorker } from 'tq-edge'
import { redisBroker } from 'tq-edge/brokers/redis'
import { tick } from 'tq-edge/scheduler'
import app from '../../../examples/anywhere/tq.config.ts'
import { conformance } from './conformance.ts'

interface Env {
  readonly UPSTASH_REDIS_REST_URL: string
  readonly UPSTASH_REDIS_REST_TOKEN: string
  readonly TQ_PREFIX: string
  readonly PAGES_URL: string
}

/** One per invocation: a Worker shares no connection between them. */
function brokerOf({ UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token, TQ_PREFIX: prefix }: Env) {
  return redisBroker({ url, token, prefix, subscribe: false })
}

export default {
  async fetch(_: Request, env: Env): Promise<Response> {
    return Response.json(await conformance({ broker: brokerOf(env), pagesUrl: env.PAGES_URL }))
  },

  async scheduled(_: unknown, env: Env): Promise<void> {
    const broker = brokerOf(env)
    await tick({ app, broker })
    await createWorker({ app, broker, burst: true }).run()
  },
}
