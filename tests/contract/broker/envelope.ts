/** Whatever a job carries beside its input, all of it together, as odd as it may be. */
import assert from 'node:assert/strict'
import type { Job } from '../../../src/job.ts'
import type { Case } from '../subject.ts'
import { fail, job, lane, read, release, stateOf, succeed } from '../verbs.ts'

const ODD = '"onSuccess":"https://no.example/" \\ {"fingerprint":"no"}|%1 [^|]* é 💡'
const DONE = "https://hooks.example/done?of=%7C'[a]&x=(b)*{1}"
const BROKEN = 'https://hooks.example/broken'
const TICK = { schedule: `s|${ODD}`, dueAtMs: 1, lateMs: 0, catchUp: false }
const TAGS = ['fingerprint', '":"', 'onFailure', '{"a":1}', '|', ' ', ODD.replaceAll(',', '').slice(0, 50), '💡']

const PARTS: readonly Partial<Job>[] = [
  { v: 2 },
  { tick: TICK },
  { tags: TAGS },
  { fingerprint: 'of.this-one' },
  { onSuccess: DONE },
  { onFailure: BROKEN },
]

/** A job for each set of what some have and others have not. */
export function everyJob(): Job[] {
  return Array.from({ length: 2 ** PARTS.length }, (_, set) =>
    Object.assign(
      job(`job ${set} ${ODD}`, { task: 'a "task" %d', input: '1' }),
      ...PARTS.filter((_, at) => (set >> at) & 1),
    ),
  )
}

export const envelopeCases: readonly Case[] = [
  {
    name: 'whatever a job has, its worker has it, those who read it do, and its callbacks are made',
    async run({ broker }) {
      const worker = lane(broker)
      const all = everyJob()
      assert.deepEqual(new Set(await broker.enqueue(all)), new Set(['created']))
      await worker.settle(...(await worker.claim(all.length)).map((claimed) => release(claimed)))
      const claimed = await worker.claim(all.length)
      assert.equal(claimed.length, all.length)
      for (const [at, { tick, tags, v }] of claimed.entries()) {
        const one = all[at] as Job
        assert.deepEqual([tick, tags, v], [one.tick ?? null, one.tags, one.v ?? 1])
        const record = await read(broker, one.id)
        assert.deepEqual([record.tick, record.tags, record.task], [one.tick ?? null, one.tags ?? [], one.task])
      }
      await worker.settle(...claimed.map((one, at) => (at % 3 === 0 ? fail(one) : succeed(one))))
      for (const [at, { id, onSuccess, onFailure }] of all.entries()) {
        const [name, url] = at % 3 === 0 ? ['onFailure', onFailure] : ['onSuccess', onSuccess]
        const told = await stateOf(broker, `${id}:${name}:${claimed[at]?.epoch}`)
        assert.equal(told, url ? 'queued' : null)
      }
      const again = all.map((one) => ({ ...one, fingerprint: one.fingerprint && 'another' }))
      const outcomes = await broker.enqueue(again)
      assert.deepEqual(
        outcomes,
        all.map(({ fingerprint }) => (fingerprint ? 'conflict' : 'existing')),
      )
    },
  },
]
