import type { App, TqEvent } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { createApi } from 'tq-edge/http'
import type { Webhook } from 'tq-edge/webhooks'
import type { Broker } from '../../src/broker.ts'
import { createVirtualClock } from '../support/clock.ts'
import type { Sent } from './senders.ts'

interface Setup {
  readonly atMs?: number
  readonly app?: App
  readonly maxBodyBytes?: number
  readonly wrap?: (broker: Broker) => Partial<Broker>
}

/** An API behind tokens, with webhooks, on a broker of its own in virtual time. */
export function setUp(webhooks: readonly Webhook[], { atMs, wrap, ...options }: Setup = {}) {
  const clock = createVirtualClock(atMs)
  const broker = sqliteBroker({ path: ':memory:', clock, random: () => 0.5 })
  const events: TqEvent[] = []
  const api = createApi({
    broker: wrap ? { ...broker, ...wrap(broker) } : broker,
    tokens: ['a-long-random-token'],
    webhooks,
    clock,
    random: () => 0.5,
    onEvent: (event) => events.push(event),
    ...options,
  })

  const deliver = async ({ url, headers, body }: Sent | (Omit<Sent, 'body'> & { body: BodyInit })): Promise<Response> =>
    api.request(url, { method: 'POST', headers, body })

  /** Every job there is, oldest first. */
  async function jobs(): Promise<{ id: string; task: string; input: unknown }[]> {
    const { jobs: found } = await broker.list({ limit: 100 })
    return found.map(({ id, task, input }) => ({ id, task, input: input ? JSON.parse(input) : undefined })).reverse()
  }

  return { api, broker, clock, events, deliver, jobs }
}
