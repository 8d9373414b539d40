import type { Client, Listener } from './client.ts'

export type Subscribing = Pick<Client, 'subscribe' | 'unsubscribe' | 'pSubscribe' | 'pUnsubscribe'>

/** What is subscribed to, also by the client that takes a lost one's place. */
export interface Heard extends Subscribing {
  resume(client: Subscribing): Promise<void>
}

/** `current` throws while there is no client. */
export function createHeard(current: () => Subscribing): Heard {
  const channels = new Map<string, Listener>()
  const patterns = new Map<string, Listener>()
  return {
    async subscribe(channel, listener) {
      await current().subscribe(channel, listener, true)
      channels.set(channel, listener)
    },
    async unsubscribe(channel, listener) {
      if (channels.get(channel) === listener) channels.delete(channel)
      await current().unsubscribe(channel, listener, true)
    },
    async pSubscribe(pattern, listener) {
      await current().pSubscribe(pattern, listener, true)
      patterns.set(pattern, listener)
    },
    async pUnsubscribe(pattern, listener) {
      if (patterns.get(pattern) === listener) patterns.delete(pattern)
      await current().pUnsubscribe(pattern, listener, true)
    },
    async resume(client) {
      for (const [channel, listener] of channels) await client.subscribe(channel, listener, true)
      for (const [pattern, listener] of patterns) await client.pSubscribe(pattern, listener, true)
    },
  }
}
