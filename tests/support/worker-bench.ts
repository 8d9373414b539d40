import { createClient, createWorker, defineApp, type Task, type TqEvent, type WorkerOptions } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import type { Broker, ExchangeReply, ExchangeRequest } from '../../src/broker.ts'
import type { JobRecord } from '../../src/job.ts'
import { createVirtualClock, type VirtualClock } from './clock.ts'
import { until } from './until.ts'

export const LEASE_MS = 30_000

type Overrides = Partial<Omit<WorkerOptions, 'app'>>

/** A broker in memory under a virtual clock, workers on it, and what they have told. */
export interface WorkerBench {
  readonly clock: VirtualClock
  readonly broker: Broker
  readonly events: TqEvent[]
  enqueue(task: string, input?: unknown, id?: string): Promise<string>
  start(tasks: readonly Task[], options?: Overrides): StartedWorker
  read(id: string): Promise<JobRecord>
  /** Waits, without moving time, until the job is in that state. */
  reaches(id: string, state: JobRecord['state']): Promise<JobRecord>
  said<K extends TqEvent['kind']>(kind: K): Extract<TqEvent, { kind: K }>[]
}

export type StartedWorker = ReturnType<typeof createWorker> & {
  readonly done: ReturnType<ReturnType<typeof createWorker>['run']>
}

export function createBench(wrap: (broker: Broker) => Broker = (broker) => broker): WorkerBench {
  const clock = createVirtualClock()
  const broker = sqliteBroker({ path: ':memory:', clock, random: () => 0.5 })
  const events: TqEvent[] = []
  let ids = 0
  const newId = () => `id-${++ids}`
  const client = createClient({ broker, clock, newId })

  async function read(id: string): Promise<JobRecord> {
    const [record] = await broker.get([id])
    if (!record) throw new Error(`expected job ${id} to be known`)
    return record
  }

  return {
    clock,
    broker,
    events,
    read,
    enqueue: async (task, input, id = newId()) => (await client.enqueue(task, input, { id })).id,
    start(tasks, options = {}) {
      const onEvent = (event: TqEvent) => void events.push(event)
      const worker = createWorker({
        app: defineApp({ tasks }),
        broker: wrap(broker),
        clock,
        newId,
        random: () => 0.5,
        lanes: 2,
        leaseMs: LEASE_MS,
        onEvent,
        ...options,
      })
      return { ...worker, done: worker.run() }
    },
    async reaches(id, state) {
      await until(`job ${id} to be ${state}`, async () => (await read(id)).state === state)
      return read(id)
    },
    said: <K extends TqEvent['kind']>(kind: K) =>
      events.filter((event): event is Extract<TqEvent, { kind: K }> => event.kind === kind),
  }
}

/** A broker that hands every exchange to `through`. */
export function withExchange(
  broker: Broker,
  through: (request: ExchangeRequest, send: () => Promise<ExchangeReply>) => Promise<ExchangeReply>,
): Broker {
  return { ...broker, exchange: (request) => through(request, () => broker.exchange(request)) }
}

/** A handler's work that ends when the test says so. */
export interface Gate {
  readonly waiting: number
  readonly most: number
  pass(): Promise<void>
  open(): void
}

export function createGate(): Gate {
  const held: (() => void)[] = []
  let most = 0
  return {
    get waiting() {
      return held.length
    },
    get most() {
      return most
    },
    pass: () =>
      new Promise((resolve) => {
        held.push(resolve)
        most = Math.max(most, held.length)
      }),
    open: () => {
      for (const resolve of held.splice(0)) resolve()
    },
  }
}
