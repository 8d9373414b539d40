/** What a record says of a job beside its input: read back whatever is in it, also by the version before, which knows less of it. */
import { expect, test } from 'bun:test'
import { toMeta } from '../../../../adapters/brokers/redis/enqueue.ts'
import { fromMeta } from '../../../../adapters/brokers/redis/record.ts'
import { everyJob } from '../../../contract/broker/envelope.ts'

test('a job of every kind is read back, with no trace of what only scripts read', () => {
  for (const { task, createdAtMs, v = 1, tick = null, tags, ...one } of everyJob()) {
    const meta = toMeta({ task, createdAtMs, v, tags, ...one, ...(tick ? { tick } : {}) })
    expect(meta).not.toContain('\n')
    expect(fromMeta(meta)).toEqual({ task, createdAtMs, v, tick, ...(tags ? { tags } : {}) })
  }
})

test('a version that knows of no callbacks reads which envelope it is', () => {
  for (const one of everyJob()) expect(toMeta(one).split('|', 3)[2]).toBe(one.v ? String(one.v) : '')
})
