/** The app as a Cloudflare Worker, by the one line that its users write; `/conformance` runs the cases inside of a `fetch`. */
import { redisBroker } from 'tq-edge/brokers/redis'
import { toWorker, type WorkerContext } from 'tq-edge/cloudflare'
import app from '../../../examples/anywhere/tq.config.ts'
import { conformance } from './conformance.ts'

interface Env {
  readonly UPSTASH_REDIS_REST_URL: string
  readonly UPSTASH_REDIS_REST_TOKEN: string
  readonly TQ_PREFIX: string
  readonly PAGES_URL: string
}

const worker = toWorker(app, { drain: { stay: false } })

export default {
  async fetch(request: Request, env: Env, context: WorkerContext): Promise<Response> {
    if (new URL(request.url).pathname !== '/conformance') return worker.fetch(request, env, context)
    const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token, TQ_PREFIX: prefix } = env
    const broker = redisBroker({ url, token, prefix, subscribe: false })
    return Response.json(await conformance({ broker, pagesUrl: env.PAGES_URL }))
  },
  scheduled: worker.scheduled,
}
