/** What must be true of jobs with all that a job may have, once the faults are over. */
import assert from 'node:assert/strict'
import type { Broker } from '../../../src/broker.ts'
import { toldBy } from '../../../src/callbacks.ts'
import type { JobRecord } from '../../../src/job.ts'
import { idsOf } from '../verbs.ts'
import { readAll } from './transitions.ts'

interface Ended {
  /** Their queue. */
  readonly prefix: string
  readonly enqueued: readonly string[]
  /** For every job the results that its broker has accepted, by the settler's knowledge. */
  readonly accepted: ReadonlyMap<string, readonly string[]>
}

/** Every job has ended once: none lost, none left over, and what was accepted is what stands. So has the callback of each. */
export async function check({ enqueued, accepted, prefix }: Ended, broker: Broker): Promise<readonly JobRecord[]> {
  const { queues } = await broker.stats()
  const counts = queues.find(({ queue }) => queue === prefix)?.counts ?? {}
  assert.deepEqual(
    Object.keys(counts).filter((state) => state !== 'succeeded' && state !== 'failed'),
    [],
  )
  const own = await recordsOf(broker, enqueued)
  for (const { tags } of own) assert.equal(tags[1], 'all')
  const callbacks = await recordsOf(broker, own.map(callbackOf))
  for (const { id, state, lost, result } of [...own, ...callbacks]) {
    const results = accepted.get(id) ?? []
    assert.ok(results.length <= 1, `expected job ${id} to be settled once, got ${results.join(', ')}`)
    assert.ok(state === 'succeeded' || state === 'failed', `expected job ${id} to be finished, got ${state}`)
    if (state === 'succeeded' && results.length === 1) assert.equal(result, results[0])
    if (state === 'failed') assert.deepEqual([lost, results], [5, []])
  }
  return [...own, ...callbacks]
}

const callbackOf = ({ id, state, epoch }: JobRecord) =>
  `${id}:${state === 'succeeded' ? 'onSuccess' : 'onFailure'}:${epoch}`

async function recordsOf(broker: Broker, ids: readonly string[]): Promise<readonly JobRecord[]> {
  const records = await broker.get(ids)
  return records.map((record, at) => record ?? assert.fail(`expected job ${ids[at]} to be known`))
}

/** Of each all that became of it, once and in order, and of no other: a callback begins behind its job's end. */
export async function checkTold(broker: Broker, cursor: string, records: readonly JobRecord[]): Promise<void> {
  const told = await readAll(broker, cursor)
  const states = new Map<string, string[]>()
  for (const { id, state } of told) {
    const ofJob = toldBy(id)?.job
    if (ofJob && !states.has(id)) assert.match(states.get(ofJob)?.at(-1) ?? '', /succeeded|failed/)
    states.set(id, [...(states.get(id) ?? []), state])
  }
  assert.deepEqual([...states.keys()].sort(), idsOf(records).sort())
  for (const { id, state } of records) {
    const own = states.get(id) ?? []
    assert.equal(own.at(-1), state)
    assert.equal(own.filter((one) => one === 'succeeded' || one === 'failed').length, 1, own.join(' '))
    assert.ok(
      own.every((one, at) => one !== own[at - 1]),
      own.join(' '),
    )
  }
}
