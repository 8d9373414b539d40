import { shuttingDown, unavailable } from '../protocol/refusal.ts'
import { reasonOf } from '../redis/client.ts'
import type { Connection } from '../redis/connection.ts'
import type { Caller } from '../tokens/auth.ts'
import { createHeartbeat, createStream, type Stream, toFrame } from './stream.ts'
import type { SubscriptionsOptions } from './subscriptions.ts'

export interface Monitor {
  /** A stream of every command that Redis runs from now on. Throws `Refusal` when Redis is away. */
  open(caller: Caller): Promise<ReadableStream<Uint8Array>>
  close(): Promise<void>
}

const STARTED = toFrame('"OK"')

/**
 * All who watch share one connection, which serves nothing else, and which ends with the last of them: MONITOR costs Redis
 * a good part of its speed.
 *
 * When Redis has been away, every stream is told `"OK"` once more: who reads it may have missed commands.
 */
export function createMonitor({ connect, clock, heartbeatMs, seats, onEvent }: SubscriptionsOptions): Monitor {
  const streams = new Set<Stream>()
  let closed = false
  let watching: Promise<Connection> | undefined
  let ended: Promise<void> | undefined
  const heartbeat = createHeartbeat(clock, heartbeatMs, (frame) => void ping(frame))

  function send(frame: Uint8Array): void {
    for (const stream of streams) stream.send(frame)
  }

  async function watch(): Promise<Connection> {
    const connected = await connect().catch((error: unknown) => {
      throw unavailable(reasonOf(error))
    })
    const { client, within, close } = connected
    try {
      await within(client.monitor((line) => send(toFrame(String(line)))))
    } catch (error) {
      await close()
      throw error
    }
    client.on('ready', () => send(STARTED))
    return connected
  }

  /** The connection takes no PING. Where there is none, a stream should not look alive. */
  async function ping(frame: Uint8Array): Promise<void> {
    const connected = await watching?.catch(() => undefined)
    if (connected?.client.isReady) send(frame)
  }

  function leave(stream: Stream): void {
    streams.delete(stream)
    if (streams.size > 0) return
    heartbeat.stop()
    ended = watching?.then(
      ({ close }) => close(),
      () => {},
    )
    watching = undefined
  }

  return {
    async open(caller) {
      const stand = seats.take(caller, () => stream.end())
      const stream: Stream = createStream({
        onEnd: () => {
          stand()
          leave(stream)
        },
        onDropped: () => onEvent({ type: 'subscriber.dropped', channel: 'MONITOR' }),
      })
      // Before it is confirmed: a command may come in one piece with the confirmation.
      stream.send(STARTED)
      streams.add(stream)
      watching ??= watch()
      try {
        const { client } = await watching
        if (closed) throw shuttingDown()
        if (!client.isReady) throw unavailable('reconnecting')
      } catch (error) {
        stream.end()
        throw error
      }
      if (stream.isOpen) heartbeat.start()
      return stream.body
    },
    async close() {
      closed = true
      for (const stream of [...streams]) stream.end()
      await ended
    },
  }
}
