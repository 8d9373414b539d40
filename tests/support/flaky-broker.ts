import type { Broker } from '../../src/broker.ts'
import { BrokerUnavailable, isTqError } from '../../src/errors.ts'

export interface FlakyOptions {
  /** Numbers in [0, 1): what decides, so that a seed makes the same faults again. */
  readonly random: () => number
  /** The share of calls that are lost: half of them before they are executed, half after it, with their reply. */
  readonly lose?: number
  /** The share of calls that are executed twice at once. */
  readonly repeat?: number
  /** The share of calls of which a copy arrives once more, later. */
  readonly late?: number
}

export interface FlakyBroker extends Broker {
  /** What has happened so far, so that a test can tell that anything did. */
  readonly faults: { lostRequests: number; lostReplies: number; repeated: number; late: number }
  /** Delivers every late copy that is still on its way. */
  deliverLate(): Promise<void>
}

const MUTATIONS = [
  'enqueue',
  'exchange',
  'fire',
  'cancel',
  'retry',
  'promote',
  'purge',
  'remove',
  'setPaused',
  'setSchedules',
  'setDeployed',
  'prune',
] as const
const READS = ['countCall', 'get', 'list', 'stats', 'workers', 'schedules', 'deployed', 'beats', 'runs'] as const

/**
 * A broker behind a network that loses requests and replies, and repeats requests, at once and late.
 *
 * A late copy arrives before some later call. What it is answered reaches nobody, but it must not fail in any other way
 * than by being refused as stale.
 */
export function flaky(broker: Broker, { random, lose = 0.15, repeat = 0.15, late = 0.15 }: FlakyOptions): FlakyBroker {
  const faults = { lostRequests: 0, lostReplies: 0, repeated: 0, late: 0 }
  const onTheWay: (() => Promise<unknown>)[] = []
  const happens = (share: number) => random() < share

  async function deliver(send: () => Promise<unknown>): Promise<void> {
    try {
      await send()
    } catch (error) {
      if (!isTqError(error, 'StaleExchange')) throw error
    }
  }

  /** Each copy stays for some calls, so that others overtake it. */
  async function deliverSome(): Promise<void> {
    for (const send of onTheWay.splice(0)) {
      if (happens(0.3)) await deliver(send)
      else onTheWay.push(send)
    }
  }

  async function mutate<T>(send: () => Promise<T>): Promise<T> {
    await deliverSome()
    if (happens(late)) {
      faults.late++
      onTheWay.push(send)
    }
    if (happens(lose / 2)) {
      faults.lostRequests++
      throw new BrokerUnavailable(broker.name, 'a request that was lost')
    }
    let reply = await send()
    if (happens(repeat)) {
      faults.repeated++
      reply = await send()
    }
    return loseReply(reply)
  }

  function loseReply<T>(reply: T): T {
    if (!happens(lose / 2)) return reply
    faults.lostReplies++
    throw new BrokerUnavailable(broker.name, 'a reply that was lost')
  }

  type Call = (...args: unknown[]) => Promise<unknown>
  const call = (name: string, through: (send: () => Promise<unknown>) => Promise<unknown>) => {
    const method = broker[name as keyof Broker] as Call
    return [name, (...args: unknown[]) => through(() => method.apply(broker, args))]
  }
  const methods = Object.fromEntries([
    ...MUTATIONS.map((name) => call(name, mutate)),
    ...READS.map((name) => call(name, async (send) => loseReply(await send()))),
  ]) as Pick<Broker, (typeof MUTATIONS)[number] | (typeof READS)[number]>

  return {
    ...methods,
    name: broker.name,
    ...(broker.wake ? { wake: broker.wake } : {}),
    faults,
    async deliverLate() {
      for (const send of onTheWay.splice(0)) await deliver(send)
    },
    close: () => broker.close(),
  }
}
