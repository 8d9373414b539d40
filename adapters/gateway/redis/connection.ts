import { ClientOfflineError, ErrorReply } from '@redis/client'
import type { Clock } from '../../../src/clock.ts'
import { BrokerUnavailable, Unsupported } from '../../../src/errors.ts'
import type { OnGatewayEvent } from '../events.ts'
import { badRequest, type Refusal, unanswered, unavailable } from '../protocol/refusal.ts'
import { type Client, checkVersion, NotServed, reasonOf } from './client.ts'
import { createDeadlines } from './deadlines.ts'
import { openClient } from './open.ts'

/** A connection to Redis on which nobody waits for ever. */
export interface Connection {
  readonly client: Client
  /** What `call` brings, or `Refusal` when Redis refuses it, is away, or takes too long. */
  within<T>(call: Promise<T>): Promise<T>
  /** Lets what is under way finish, within the deadline. */
  close(): Promise<void>
}

export interface ConnectionOptions {
  readonly clock: Clock
  /** Certificates, as PEM, to trust beside the usual ones. */
  readonly ca?: string | undefined
  readonly deadlineMs: number
  readonly onEvent: OnGatewayEvent
}

/**
 * Connects, and from then on reconnects by itself.
 *
 * Throws `InvalidOption` for a url that is none, `BrokerUnavailable` for a Redis that does not answer or refuses the
 * password, `Unsupported` for one older than 7.0.
 */
export async function createConnection(url: string, options: ConnectionOptions): Promise<Connection> {
  const { clock, deadlineMs, onEvent } = options
  const client = await connect(url, options)
  /** Moves with every answer: an overdue one means little while others come in. */
  let answers = 0
  const report = createReport(client, onEvent)
  let closing = false

  /** A peer that vanished without a word looks just like a slow one. A new connection tells; the library makes it. */
  function suspect(reason: string): void {
    if (closing || !client.isReady) return
    report(reason)
    client.destroy()
    client.connect().catch(() => {})
  }

  // An error while the socket stands: the library could not read a reply, and would give the next ones to the wrong commands.
  client.on('error', (error: unknown) => suspect(reasonOf(error)))

  const deadlines = createDeadlines(clock, deadlineMs)

  function within<T>(call: Promise<T>): Promise<T> {
    const answersBefore = answers
    return new Promise<T>((resolve, reject) => {
      const end = deadlines.start(() => {
        const reason = `no answer within ${deadlineMs} ms`
        reject(unanswered(reason))
        if (answers === answersBefore) suspect(reason)
      })
      call.then(
        (answer) => {
          answers++
          end()
          resolve(answer)
        },
        (error: unknown) => {
          end()
          reject(toRefusal(error))
        },
      )
    })
  }

  return {
    client,
    within,
    async close() {
      closing = true
      // Not by the library's own: of a connection that is lost meanwhile that waits for replies for ever.
      if (client.isReady) await deadlines.idle()
      client.destroy()
    },
  }
}

function toRefusal(error: unknown): Refusal {
  if (error instanceof ErrorReply) return badRequest(error.message)
  const isUnsent = error instanceof ClientOfflineError || error instanceof NotServed
  return isUnsent ? unavailable(reasonOf(error)) : unanswered(reasonOf(error))
}

async function connect(url: string, { clock, ca, deadlineMs }: ConnectionOptions): Promise<Client> {
  let ready = false
  const client = openClient(url, { clock, ca, hasBeenReady: () => ready })
  const cancel = clock.after(deadlineMs, () => client.destroy())
  try {
    await client.connect()
    await checkVersion(client)
    ready = true
    return client
  } catch (error) {
    client.destroy()
    throw error instanceof Unsupported ? error : new BrokerUnavailable('redis', reasonOf(error), { cause: error })
  } finally {
    cancel()
  }
}

/** Reports every loss once, however many attempts fail until it is over. */
function createReport(client: Client, onEvent: OnGatewayEvent): (reason: string) => void {
  let lost = false
  function report(reason: string): void {
    if (!lost) onEvent({ type: 'redis.lost', reason })
    lost = true
  }
  client.on('error', (error: unknown) => report(reasonOf(error)))
  client.on('ready', () => {
    if (!lost) return
    lost = false
    onEvent({ type: 'redis.back' })
  })
  return report
}
