import type { Clock } from '../../src/clock.ts'
import type { GatewayRequest, OnGatewayRequest } from './events.ts'
import type { Metrics } from './metrics.ts'
import type { Command } from './protocol/command.ts'
import { type Target, toTarget } from './protocol/target.ts'
import type { CatalogLoader } from './redis/catalog.ts'

/** A request while it is answered. */
export interface Visit {
  readonly request: Request
  readonly target: Target
  /** The name of its token. */
  token: string | undefined
  /** Of each never more than its name and its first word. */
  readonly commands: Command[]
  /** True where its answer is that to an earlier request. */
  isReplay: boolean
}

export interface Traffic {
  /** Has a request answered, counts it and tells of it. */
  pass(request: Request, answer: (visit: Visit) => Promise<Response>): Promise<Response>
  /** True where somebody is told of requests. */
  readonly isTold: boolean
  /** Resolves when no request is under way, or when that has taken too long. */
  drained(deadlineMs: number): Promise<void>
}

export interface TrafficOptions {
  readonly clock: Clock
  readonly metrics: Metrics
  readonly catalogs: CatalogLoader
  readonly onRequest?: OnGatewayRequest | undefined
  readonly addressOf?: ((request: Request) => string | null | undefined) | undefined
}

/** What a request asks for; all other paths are commands, which hold keys and values. */
const ROUTES: ReadonlySet<string> = new Set(
  'pipeline multi-exec subscribe psubscribe monitor healthz readyz metrics'.split(' '),
)

export function createTraffic({ clock, metrics, catalogs, onRequest, addressOf }: TrafficOptions): Traffic {
  let underWay = 0
  let onDrained = () => {}

  /** By names that Redis knows: another first word may be anything, a secret that went astray for one. */
  async function tell(told: Omit<GatewayRequest, 'commands'>, commands: readonly Command[]): Promise<void> {
    const catalog = commands.length > 0 ? await catalogs.current().catch(() => undefined) : undefined
    const counts: Record<string, number> = {}
    for (const command of commands) {
      const name = catalog?.(command)?.name ?? '?'
      counts[name] = (counts[name] ?? 0) + 1
    }
    onRequest?.({ ...told, commands: counts })
  }

  return {
    isTold: onRequest !== undefined,
    async pass(request, answer) {
      const startedMs = clock.monotonic()
      const target = toTarget(request.url)
      const visit: Visit = { request, target, token: undefined, commands: [], isReplay: false }
      underWay++
      let status = 500
      try {
        const response = await answer(visit)
        status = response.status
        return response
      } finally {
        const durationMs = clock.monotonic() - startedMs
        metrics.request(status, durationMs)
        if (onRequest) {
          const [word = ''] = target.path.split('/')
          const { method } = request
          const route = ROUTES.has(word) ? word : 'command'
          const address = addressOf?.(request) ?? undefined
          void tell({ method, route, status, durationMs, token: visit.token, address }, visit.commands)
        }
        underWay--
        if (underWay === 0) onDrained()
      }
    },
    drained(deadlineMs) {
      return new Promise((resolve) => {
        if (underWay === 0) return resolve()
        const cancel = clock.after(deadlineMs, resolve)
        onDrained = () => {
          cancel()
          resolve()
        }
      })
    },
  }
}
