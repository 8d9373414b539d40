import { ErrorReply } from '@redis/client'
import { withBegin } from './commands/begin.ts'
import { withLimits } from './commands/limits.ts'
import type { Prepare } from './commands/prepare.ts'
import { createRunner, type Runner } from './commands/run.ts'
import { type Waiting, withWaits } from './commands/waits.ts'
import type { OnGatewayEvent } from './events.ts'
import type { Metrics } from './metrics.ts'
import { type Connection, type ConnectionOptions, createConnection } from './redis/connection.ts'
import { createLink, type Link, withCount } from './redis/link.ts'
import { createMonitor, type Monitor } from './streams/monitor.ts'
import type { Seats } from './streams/seats.ts'
import { createSubscriptions, type Subscriptions } from './streams/subscriptions.ts'
import type { Seal } from './tokens/acl-token.ts'
import type { Caller } from './tokens/auth.ts'
import type { Refuse } from './tokens/rights.ts'

/** What runs requests as one user of Redis: a connection that they share, and those of streams and waits. */
export interface Backend {
  /** For what the gateway itself asks: neither counted nor bounded. */
  readonly rawLink: Link
  isReady(): boolean
  /** Whether Redis answers. */
  ping(): Promise<boolean>
  /** What runs the commands of a caller, and refuses what this says: by default what is refused to all. */
  runnerOf(caller: Caller, refuse?: Refuse): Runner
  readonly subscriptions: Pick<Subscriptions, 'open'>
  readonly monitor: Pick<Monitor, 'open'>
  /** How many are open. */
  streams(): number
  endStreams(): Promise<void>
  /** Lets what is under way finish. */
  close(): Promise<void>
}

export interface BackendOptions extends ConnectionOptions {
  readonly heartbeatMs: number
  readonly maxReplyBytes: number
  readonly maxResponseBytes: number
  readonly metrics: Metrics
  readonly seats: Seats
  readonly waiting: Waiting
  readonly prepareFor: (seal?: Seal) => Prepare
  readonly refusalOf: Refuse
  /** Of the connection that requests share. Default `onEvent`. */
  readonly onSharedEvent?: OnGatewayEvent
  /** Redis lets this user in no more, or not where it was before. */
  readonly onRefused?: () => void
}

const REFUSED = /^(WRONGPASS|NOAUTH|NOPERM) /

/** What Redis says to a user who comes, and may not; one whom it has put out, or allows less than before, comes again. */
export function isRefused(error: unknown): error is ErrorReply {
  return error instanceof ErrorReply && REFUSED.test(error.message)
}

/** Throws as `createConnection` does. */
export async function openBackend(url: string, options: BackendOptions): Promise<Backend> {
  const { clock, heartbeatMs, metrics, seats, prepareFor, refusalOf, onEvent } = options
  const { onSharedEvent = onEvent, onRefused } = options

  async function connect(told = onEvent): Promise<Connection> {
    const connection = await createConnection(url, { ...options, onEvent: told })
    connection.client.on('error', (error) => {
      if (isRefused(error)) onRefused?.()
    })
    return connection
  }

  const connection = await connect(onSharedEvent)
  const rawLink = createLink(connection)
  const waiting = withWaits(rawLink, { ...options, connect })
  const link = withLimits(withCount(waiting, metrics.commands), options)
  const own = countSeats(seats)
  const subscriptions = createSubscriptions({ connect, clock, heartbeatMs, seats: own, onEvent })
  const monitor = createMonitor({ connect, clock, heartbeatMs, seats: own, onEvent })
  /** Of callers who come again as they are: those with an ACL token are others at each request. */
  const runners = new WeakMap<Caller, Runner>()

  function remember(caller: Caller): Runner {
    const runner = createRunner(link, prepareFor(caller.seal), refusalOf)
    runners.set(caller, runner)
    return runner
  }

  return {
    rawLink,
    isReady: () => connection.client.isReady,
    ping: () =>
      rawLink([['PING']]).then(
        ([reply]) => reply === 'PONG',
        () => false,
      ),
    runnerOf(caller, refuse) {
      if (!refuse && !caller.login) return runners.get(caller) ?? remember(caller)
      return createRunner(caller.login ? withBegin(link) : link, prepareFor(caller.seal), refuse ?? refusalOf)
    },
    subscriptions,
    monitor,
    streams: own.taken,
    endStreams: async () => void (await Promise.all([subscriptions.close(), monitor.close()])),
    close: connection.close,
  }
}

/** Seats among all others, of which it is known how many are taken here. */
function countSeats(seats: Seats): Seats {
  let taken = 0
  return {
    take(caller, end) {
      const stand = seats.take(caller, end)
      taken++
      return () => {
        taken--
        stand()
      }
    },
    taken: () => taken,
  }
}
