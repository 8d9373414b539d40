/** The member that is a Cloudflare Worker: each cron trigger drains. */
import { toWorker } from 'tq-edge/cloudflare'
import { fleetApp, LEASE_MS } from './app.ts'

const drain = { budgetMs: 20_000, maxSubrequests: 900, concurrency: 10, leaseMs: LEASE_MS, stay: false }

export default {
  scheduled(controller: unknown, env: { readonly MEMBER: string }): Promise<void> {
    return toWorker(fleetApp(env.MEMBER), { drain }).scheduled(controller, env)
  },
}
