/**
 * The verbs that the cases are written in.
 *
 * @module
 */
import assert from 'node:assert/strict'
import type {
  Broker,
  ClaimedJob,
  ExchangeReply,
  ExchangeRequest,
  Extension,
  LeaseRef,
  Settlement,
} from '../../src/broker.ts'
import { STUB_MS } from '../../src/broker.ts'
import type { Job, JobRecord } from '../../src/job.ts'

export const LEASE_MS = 30_000
export const HOUR_MS = STUB_MS

export function job(id: string, given: Partial<Job> = {}): Job {
  return { id, task: 'digest', queue: 'default', input: `{"of":"${id}"}`, priority: 0, createdAtMs: 1_000, ...given }
}

export function jobs(count: number, prefix = 'job', given: Partial<Job> = {}): Job[] {
  return Array.from({ length: count }, (_, at) => job(`${prefix}-${String(at).padStart(4, '0')}`, given))
}

export const succeed = ({ id, epoch }: LeaseRef, result = '"done"', keepMs = HOUR_MS): Settlement => ({
  kind: 'succeeded',
  id,
  epoch,
  result,
  keepMs,
})
export const ERROR = { name: 'Error', message: 'it broke', stack: 'Error: it broke\n    at here' }
export const fail = ({ id, epoch }: LeaseRef, keepMs = HOUR_MS): Settlement => ({
  kind: 'failed',
  id,
  epoch,
  error: ERROR,
  keepMs,
})
export const retryIn = ({ id, epoch }: LeaseRef, delayMs: number): Settlement => ({
  kind: 'retry',
  id,
  epoch,
  delayMs,
  error: ERROR,
})
export const release = ({ id, epoch }: LeaseRef, delayMs = 0): Settlement => ({ kind: 'released', id, epoch, delayMs })
export const cancelled = ({ id, epoch }: LeaseRef, keepMs = HOUR_MS): Settlement => ({
  kind: 'cancelled',
  id,
  epoch,
  keepMs,
})

type Asked = Partial<Omit<ExchangeRequest, 'lane' | 'seq'>>

/** One lane of a worker: numbers its exchanges as a worker does. */
export interface TestLane {
  readonly id: string
  readonly seq: number
  exchange(asked?: Asked): Promise<ExchangeReply>
  /** Sends the last exchange once more. */
  again(): Promise<ExchangeReply>
  claim(want?: number, asked?: Asked): Promise<readonly ClaimedJob[]>
  claimOne(asked?: Asked): Promise<ClaimedJob>
  settle(...settlements: readonly Settlement[]): Promise<ExchangeReply>
  extend(...extensions: readonly Extension[]): Promise<ExchangeReply>
  /** Says that it waits for jobs. Asserts that there are none. */
  wait(waitMs?: number, asked?: Asked): Promise<void>
}

export function lane(broker: Broker, id = 'worker.1.0'): TestLane {
  let last: ExchangeRequest = {
    lane: id,
    seq: 0,
    queues: ['default'],
    want: 0,
    takeLost: true,
    leaseMs: LEASE_MS,
    settle: [],
    extend: [],
    waitMs: 0,
  }
  const base = last
  const exchange = (asked: Asked = {}) => {
    last = { ...base, ...asked, seq: last.seq + 1 }
    return broker.exchange(last)
  }
  const claim = async (want = 1, asked: Asked = {}) => (await exchange({ want, ...asked })).jobs
  return {
    id,
    get seq() {
      return last.seq
    },
    exchange,
    again: () => broker.exchange(last),
    claim,
    async claimOne(asked) {
      const [claimed, ...more] = await claim(1, asked)
      assert.ok(claimed, 'expected a job to claim, got none')
      assert.equal(more.length, 0)
      return claimed
    },
    settle: (...settle) => exchange({ settle }),
    extend: (...extend) => exchange({ extend }),
    async wait(waitMs = 60_000, asked = {}) {
      const reply = await exchange({ want: 1, waitMs, ...asked })
      assert.deepEqual(idsOf(reply.jobs), [], 'expected nothing to claim')
    },
  }
}

export const idsOf = (records: readonly { readonly id: string }[]) => records.map(({ id }) => id)

export async function read(broker: Broker, id: string): Promise<JobRecord> {
  const [record] = await broker.get([id])
  assert.ok(record, `expected job "${id}" to be known`)
  return record
}

export const stateOf = async (broker: Broker, id: string) => (await broker.get([id]))[0]?.state ?? null

/** Enqueues one job, has a lane claim it, and answers the lease. */
export async function active(broker: Broker, by: TestLane, id: string): Promise<ClaimedJob> {
  await broker.enqueue([job(id)])
  return by.claimOne()
}

/** Takes a job through to its end. */
export async function finished(broker: Broker, by: TestLane, id: string): Promise<ClaimedJob> {
  const claimed = await active(broker, by, id)
  await by.settle(succeed(claimed))
  return claimed
}

/** Prunes until nothing is left to. */
export async function pruneAll(broker: Broker): Promise<void> {
  while ((await broker.prune()) > 0);
}
