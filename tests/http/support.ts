import { type App, type Blobs, defineApp, defineTask, type Job, type OnEvent, type TqEvent } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { type BrokerRoutes, type Cors, createApi, type RateLimitOptions, rateLimits } from 'tq-edge/http'
import type { OpenApi } from 'tq-edge/openapi'
import type { Webhook } from 'tq-edge/webhooks'
import * as v from 'valibot'
import type { Broker, Settlement } from '../../src/broker.ts'
import type { Clock } from '../../src/clock.ts'
import type { AddressOf } from '../../src/http/failures.ts'
import type { Tokens } from '../../src/http/tokens.ts'
import type { Schedules } from '../../src/schedules.ts'
import { createVirtualClock } from '../support/clock.ts'
import { hold } from './documented.ts'

/** Stands for what nobody but the task may see: no answer but the job itself repeats it. */
export const SECRET = 'sesame-4711'

export const app: App = defineApp({
  tasks: [
    defineTask({
      name: 'email.send',
      input: v.object({ to: v.pipe(v.string(), v.email()), copies: v.optional(v.number()) }),
      run: () => {},
    }),
    defineTask({
      name: 'checked.late',
      input: v.pipeAsync(
        v.string(),
        v.checkAsync(async (text) => text === 'right', 'expected the right text'),
      ),
      run: () => {},
    }),
    defineTask({ name: 'anything', run: () => {} }),
  ],
})

interface Setup {
  readonly tokens?: Tokens | (() => Tokens)
  readonly addressOf?: AddressOf
  readonly limits?: RateLimitOptions
  readonly cors?: Cors
  readonly linkSecrets?: readonly string[]
  readonly app?: App
  readonly basePath?: string
  readonly webhooks?: readonly Webhook[]
  readonly maxBodyBytes?: number
  readonly maxStreams?: number
  /** How many events its broker keeps. Default none. */
  readonly maxEvents?: number
  readonly blobs?: Blobs
  readonly brokerRoutes?: BrokerRoutes
  readonly openapi?: OpenApi
  /** What makes its schedules, on its broker and clock. */
  readonly schedules?: (given: { readonly broker: Broker; readonly clock: Clock }) => Schedules
  readonly onEvent?: OnEvent
  /** Puts something between the API and its broker. */
  readonly wrap?: (broker: Broker) => Partial<Broker>
}

/** An API on a broker of its own, in virtual time, with ids that count up. */
export function setUp({ wrap, schedules, limits, maxEvents, ...options }: Setup = {}) {
  const clock = createVirtualClock()
  const broker = sqliteBroker({
    path: ':memory:',
    clock,
    random: () => 0.5,
    ...(maxEvents && { events: { maxEvents } }),
  })
  const events: TqEvent[] = []
  let ids = 0
  const used = wrap ? { ...broker, ...wrap(broker) } : broker
  const api = createApi({
    broker: used,
    schedules: schedules?.({ broker: used, clock }),
    ...(limits && { rateLimits: rateLimits(limits) }),
    tokens: 'none',
    clock,
    random: () => 0.5,
    newId: () => `id-${++ids}`,
    onEvent: (event) => events.push(event),
    ...options,
  })

  /** Sends a value as JSON, a text as it is, and nothing for `undefined`. */
  async function post(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return api.request(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      ...(text === undefined ? {} : { body: text }),
    })
  }

  hold(api, { schedules: schedules !== undefined, links: (options.linkSecrets ?? []).length > 0 }, options.basePath)
  return { api, broker, clock, events, post, get: async (path: string) => api.request(path) }
}

/** Puts a job into a state of one's choice, as a worker would. */
export async function settle(broker: Broker, outcome: (epoch: number) => Settlement, lane = 'w.1.0'): Promise<void> {
  const exchange = {
    lane,
    queues: ['default'],
    want: 1,
    takeLost: true,
    leaseMs: 30_000,
    waitMs: 0,
    extend: [],
  }
  const { jobs } = await broker.exchange({ ...exchange, seq: 1, settle: [] })
  await broker.exchange({ ...exchange, seq: 2, want: 0, settle: [outcome(jobs[0]?.epoch ?? 0)] })
}

export const succeeded =
  (id: string, result: string) =>
  (epoch: number): Settlement => ({ id, epoch, kind: 'succeeded', result, keepMs: 60_000 })

export const failed =
  (id: string, message: string) =>
  (epoch: number): Settlement => ({
    id,
    epoch,
    kind: 'failed',
    error: { name: 'Error', message, stack: `Error: ${message}\n at /home/worker/tasks.ts:1:1` },
    keepMs: 60_000,
  })

export const aJob = (id: string, more: Partial<Job> = {}): Job => ({
  id,
  task: 'anything',
  queue: 'default',
  input: '',
  priority: 0,
  createdAtMs: 0,
  ...more,
})
