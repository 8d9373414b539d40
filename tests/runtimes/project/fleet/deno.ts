/** The member that a server on Deno is: each request drains, and is answered with the report. */
import process from 'node:process'
import { drain } from 'tq-edge'
import { redisBroker } from 'tq-edge/brokers/redis'
import { fleetApp, LEASE_MS } from './app.ts'

/** The little that is needed of Deno's types. */
interface DenoGlobal {
  serve(options: ServeOptions, handler: () => Promise<Response>): unknown
}
interface ServeOptions {
  readonly port: number
  readonly hostname: string
  onListen(address: { port: number }): void
}

const { MEMBER = '', UPSTASH_REDIS_REST_URL: url = '', UPSTASH_REDIS_REST_TOKEN: token = '', TQ_PREFIX } = process.env
const broker = redisBroker({ url, token, ...(TQ_PREFIX ? { prefix: TQ_PREFIX } : {}), subscribe: false })
const app = fleetApp(MEMBER)
const limits = { budgetMs: 20_000, maxSubrequests: 900, concurrency: 10, leaseMs: LEASE_MS }

const { Deno: deno } = globalThis as unknown as { Deno: DenoGlobal }
const onListen = ({ port }: { port: number }) => console.log(`http://127.0.0.1:${port}`)
deno.serve({ port: 0, hostname: '127.0.0.1', onListen }, async () =>
  Response.json(await drain(app, { broker, ...limits })),
)
