/** Every call of the contract, and what each must not tell when it fails. */
import { expect } from 'bun:test'
import { type RedisBrokerOptions, redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import type { Broker, ExchangeRequest } from '../../../../src/broker.ts'
import { isTqError, type TqError } from '../../../../src/index.ts'
import type { Job } from '../../../../src/job.ts'
import { TOKEN } from './support.ts'

export const PAYLOAD = 'a-payload-nobody-may-see'
export const JOB: Job = {
  id: 'job',
  task: 'work',
  queue: 'default',
  input: `"${PAYLOAD}"`,
  priority: 0,
  createdAtMs: 1,
}
export const EXCHANGE: ExchangeRequest = {
  ...{
    lane: 'worker.1.0',
    seq: 1,
    queues: ['default'],
    want: 1,
    takeLost: true,
    leaseMs: 1_000,
    extend: [],
    waitMs: 0,
  },
  settle: [{ id: 'job', epoch: 1, kind: 'succeeded', result: `"${PAYLOAD}"`, keepMs: 1 }],
}
const TICK = { schedule: 'often', revision: 1, dueAtMs: 1, nextDueAtMs: 2, job: JOB }
const CHANGE = { kind: 'remove', name: 'often', app: 'app', stampMs: 1 } as const

export const CALLS: Readonly<Record<string, (broker: Broker) => Promise<unknown>>> = {
  enqueue: (broker) => broker.enqueue([JOB]),
  exchange: (broker) => broker.exchange(EXCHANGE),
  fire: (broker) => broker.fire([TICK]),
  get: (broker) => broker.get(['job']),
  'get and wait': (broker) => broker.get(['job'], { waiter: 'me', waitMs: 1_000 }),
  list: (broker) => broker.list({}),
  stats: (broker) => broker.stats(),
  cancel: (broker) => broker.cancel(['job']),
  retry: (broker) => broker.retry([{ id: 'job', epoch: 1 }]),
  remove: (broker) => broker.remove(['job']),
  setPaused: (broker) => broker.setPaused('default', true, 0),
  schedules: (broker) => broker.schedules(),
  'schedules due': (broker) => broker.schedules({ due: true, app: 'app' }),
  'schedules of names': (broker) => broker.schedules({ names: ['often'] }),
  'a page of schedules': (broker) => broker.schedules({ limit: 10 }),
  deployed: (broker) => broker.deployed('app'),
  setDeployed: (broker) => broker.setDeployed('app', { stampMs: 1, digest: 'a' }, null),
  setSchedules: (broker) => broker.setSchedules([CHANGE]),
  countCall: (broker) => broker.countCall([{ key: 'somebody', calls: 1, windowMs: 1_000 }]),
  prune: (broker) => broker.prune(),
}

export const open = (url: string, options: Partial<RedisBrokerOptions> = {}) =>
  redisBroker({ url, token: TOKEN, subscribe: false, ...options })

/** The error that a call ends with; it has to be ours, and to keep secrets. */
export async function errorOf(call: Promise<unknown>): Promise<TqError> {
  const error = await call.then(
    (value) => new Error(`expected an error, got ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  )
  if (!isTqError(error)) throw error
  const everything = Bun.inspect(error) + JSON.stringify(error) + error.stack
  expect(everything).not.toContain(TOKEN)
  expect(everything).not.toContain(PAYLOAD)
  return error
}

export async function errorsOfAll(broker: Broker): Promise<Record<string, string>> {
  const found = Object.entries(CALLS).map(async ([name, call]) => [name, (await errorOf(call(broker))).name])
  return Object.fromEntries(await Promise.all(found)) as Record<string, string>
}

export const everyCallIs = (name: string) => Object.fromEntries(Object.keys(CALLS).map((call) => [call, name]))
