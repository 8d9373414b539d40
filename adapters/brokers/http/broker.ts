import type { Broker, ExchangeReply, Extension, LeaseRef } from '../../../src/broker.ts'
import { StaleExchange, Unsupported } from '../../../src/errors.ts'
import { createCall, type Fetch, notOurs } from './call.ts'

export interface HttpBrokerOptions {
  /** Of the server: what is before `/v1`. */
  readonly url: string
  /** Left out for a server that asks for none. */
  readonly token?: string | undefined
  /** How long one call may take. Default 30,000. */
  readonly callTimeoutMs?: number
  /** What sends the calls. Default the runtime's. */
  readonly fetch?: Fetch
}

/**
 * A tq server as a broker: for workers and clients that know a server's address and token, and nothing of what is behind it.
 *
 * A worker needs no more than `POST /v1/exchange`; all other calls need a server with `brokerRoutes` (`tq serve --broker-routes`). There
 * are no hints: workers and waiting clients poll. Throws `InvalidOption` for an address or a token that cannot be. Its calls throw
 * `BrokerUnavailable` when there is no answer, `BrokerRefused` when the server does not take the token or the call, `TooLarge` and
 * `StorageFull`.
 *
 * @example
 * ```ts
 * import { httpBroker } from 'tq-edge/brokers/http'
 *
 * const broker = httpBroker({ url: 'https://tq.example', token: 'a-long-random-token' })
 * console.log(broker.name) // http
 * ```
 */
export function httpBroker(options: HttpBrokerOptions): Broker {
  const call = createCall(options)

  /** A call of the contract, with its arguments as they are; undefined is left out of JSON, and comes last. */
  async function ask<T>(method: keyof Broker, ...args: readonly unknown[]): Promise<T> {
    const given = args.slice(0, args.findLastIndex((arg) => arg !== undefined) + 1)
    const reply = await call(`broker/${method}`, { arguments: given })
    if (!('answer' in reply)) throw notOurs()
    return reply.answer as T
  }

  return {
    name: 'http',

    async exchange({ waitMs: _, ...request }) {
      const { lane, seq, extend } = request
      const body = { ...request, extend: extend.map(toExtension), texts: true }
      const reply = await call('exchange', body, ({ expectedSeq }) =>
        typeof expectedSeq === 'number' ? new StaleExchange(lane, expectedSeq, seq) : undefined,
      )
      if (!Array.isArray(reply.jobs)) throw notOurs()
      return reply as unknown as ExchangeReply
    },

    async enqueue(jobs, { within } = {}) {
      if (within === undefined) return ask('enqueue', jobs)
      throw new Unsupported('a store with transactions', 'a server', 'enqueue without `within`')
    },

    fire: (ticks) => ask('fire', ticks),
    get: (ids) => ask('get', ids),
    list: (filter) => ask('list', filter),
    stats: (query) => ask('stats', query),
    workers: () => ask('workers'),
    cancel: (ids) => ask('cancel', ids),
    retry: (refs) => ask('retry', refs.map(toRef)),
    promote: (refs) => ask('promote', refs.map(toRef)),
    remove: (ids) => ask('remove', ids),
    setPaused: (queue, paused, revision) => ask('setPaused', queue, paused, revision),
    purge: (queue, revision, limit) => ask('purge', queue, revision, limit),
    schedules: (query) => ask('schedules', query),
    setSchedules: (changes) => ask('setSchedules', changes),
    deployed: (app) => ask('deployed', app),
    setDeployed: (app, mark, seen) => ask('setDeployed', app, mark, seen),
    beats: () => ask('beats'),
    runs: (schedule) => ask('runs', schedule),
    countCall: (limits) => ask('countCall', limits),
    transitions: (query) => ask('transitions', query),
    prune: (limit) => ask('prune', limit),
    close: async () => {},
  }
}

/** Callers pass what they have at hand, such as a whole claimed job: no more of it than is needed goes over the network. */
const toRef = ({ id, epoch }: LeaseRef): LeaseRef => ({ id, epoch })

const toExtension = ({ progress, ...held }: Extension): Extension =>
  progress === undefined ? toRef(held) : { ...toRef(held), progress }
