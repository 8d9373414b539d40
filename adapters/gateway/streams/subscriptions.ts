import type { Clock } from '../../../src/clock.ts'
import type { OnGatewayEvent } from '../events.ts'
import { exceeded, shuttingDown, unavailable } from '../protocol/refusal.ts'
import { reasonOf } from '../redis/client.ts'
import type { Connection } from '../redis/connection.ts'
import type { Caller } from '../tokens/auth.ts'
import type { Seats } from './seats.ts'
import { createHeartbeat, createStream, type Stream, toFrame } from './stream.ts'

export type SubscriptionKind = 'subscribe' | 'psubscribe'

export interface Subscriptions {
  /** A stream that has been confirmed: from now on no message is missed. Throws `Refusal` when Redis is away. */
  open(kind: SubscriptionKind, channels: readonly string[], caller: Caller): Promise<ReadableStream<Uint8Array>>
  close(): Promise<void>
}

export interface SubscriptionsOptions {
  readonly connect: () => Promise<Connection>
  readonly clock: Clock
  readonly heartbeatMs: number
  readonly seats: Seats
  readonly onEvent: OnGatewayEvent
}

/** Of one stream: each of them is a subscription in Redis, while the stream is one seat. */
const MAX_CHANNELS = 100

/** One channel or pattern that is subscribed to in Redis, and everybody who reads it. */
interface Topic {
  readonly streams: Set<Stream>
  readonly confirmed: Promise<unknown>
  /** Rejects where Redis is away. */
  leave(): Promise<void>
}

function createTopic(kind: SubscriptionKind, channel: string, { client, within }: Connection): Topic {
  const streams = new Set<Stream>()
  const prefix = kind === 'subscribe' ? 'message' : `pmessage,${channel}`
  function receive(message: string | Buffer, from: string | Buffer): void {
    const frame = toFrame(`${prefix},${from},${message}`)
    for (const stream of streams) stream.send(frame)
  }
  const [subscribe, unsubscribe] =
    kind === 'subscribe' ? [client.subscribe, client.unsubscribe] : [client.pSubscribe, client.pUnsubscribe]
  return {
    streams,
    confirmed: within(subscribe.call(client, channel, receive, true)),
    leave: () => unsubscribe.call(client, channel, receive, true),
  }
}

/**
 * All subscribers share one connection, and all subscribers of a channel one subscription, which ends with the last of them.
 *
 * When Redis has been away, every stream is told `subscribe,<channel>,<n>` once more: who reads it may have missed messages.
 */
export function createSubscriptions({
  connect,
  clock,
  heartbeatMs,
  seats,
  onEvent,
}: SubscriptionsOptions): Subscriptions {
  const topics = new Map<string, Topic>()
  /** While Redis was away: the library subscribes to them once more when it is back. With what each is known by. */
  const left = new Map<Topic, string>()
  /** Every open stream with what confirms it. */
  const open = new Map<Stream, readonly Uint8Array[]>()
  let closed = false
  let connecting: Promise<Connection> | undefined
  const heartbeat = createHeartbeat(clock, heartbeatMs, (frame) => void ping(frame))

  function connection(): Promise<Connection> {
    connecting ??= connect().then(
      (connected) => {
        connected.client.on('ready', comeBack)
        return connected
      },
      (error: unknown) => {
        connecting = undefined
        throw unavailable(reasonOf(error))
      },
    )
    return connecting
  }

  function comeBack(): void {
    for (const [topic, key] of left) if (!topics.has(key)) end(topic, key)
    for (const [stream, confirmations] of open) for (const frame of confirmations) stream.send(frame)
  }

  function end(topic: Topic, key: string): void {
    topic.leave().then(
      () => left.delete(topic),
      () => left.set(topic, key),
    )
  }

  /** Only where Redis answers as well: a stream that brings nothing should not look alive. */
  async function ping(frame: Uint8Array): Promise<void> {
    const { client, within } = await connection()
    const answered = await within(client.sendCommand(['PING'])).catch(() => false)
    if (answered !== false) for (const stream of open.keys()) stream.send(frame)
  }

  function join(kind: SubscriptionKind, channel: string, stream: Stream, connected: Connection): Promise<unknown> {
    const key = `${kind} ${channel}`
    const topic = topics.get(key) ?? createTopic(kind, channel, connected)
    topics.set(key, topic)
    topic.streams.add(stream)
    return topic.confirmed
  }

  function leave(kind: SubscriptionKind, channel: string, stream: Stream): void {
    const key = `${kind} ${channel}`
    const topic = topics.get(key)
    if (!topic?.streams.delete(stream) || topic.streams.size > 0) return
    topics.delete(key)
    end(topic, key)
  }

  return {
    async open(kind, channels, caller) {
      if (channels.length > MAX_CHANNELS) throw exceeded('channels', MAX_CHANNELS, channels.length)
      const connected = await connection()
      if (!connected.client.isReady) throw unavailable('reconnecting')
      const stand = seats.take(caller, () => stream.end())
      const stream: Stream = createStream({
        onEnd: () => {
          stand()
          open.delete(stream)
          if (open.size === 0) heartbeat.stop()
          for (const channel of channels) leave(kind, channel, stream)
        },
        onDropped: () => onEvent({ type: 'subscriber.dropped', channel: channels.join(' ') }),
      })
      try {
        await Promise.all(channels.map((channel) => join(kind, channel, stream, connected)))
        if (closed) throw shuttingDown()
      } catch (error) {
        stream.end()
        throw error
      }
      // Its token may have ended meanwhile.
      if (!stream.isOpen) return stream.body
      const confirmations = channels.map((channel, at) => toFrame(`${kind},${channel},${at + 1}`))
      open.set(stream, confirmations)
      for (const frame of confirmations) stream.send(frame)
      heartbeat.start()
      return stream.body
    },
    async close() {
      closed = true
      for (const stream of [...open.keys()]) stream.end()
      await (await connecting?.catch(() => undefined))?.close()
    },
  }
}
