import { expect, test } from 'bun:test'
import { MAX_BATCH_BYTES, type Settlement } from '../../src/broker.ts'
import { createOutbox } from '../../src/worker/outbox.ts'

const failed = (id: string, stack: string): Settlement => ({
  kind: 'failed',
  id,
  epoch: 1,
  keepMs: 1_000,
  error: { name: 'Error', message: 'no', stack },
})

test('what one exchange carries is bounded in bytes, whatever the errors and the progress of its jobs weigh', () => {
  const outbox = createOutbox()
  for (let job = 0; job < 500; job++)
    outbox.add({ ...failed(`job-${job}`, 'ø'.repeat(8_000)), progress: `"${'ø'.repeat(2_000)}"` })
  let taken = 0
  while (outbox.length > 0) {
    const settlements = outbox.take()
    taken += settlements.length
    expect(Buffer.byteLength(JSON.stringify(settlements))).toBeLessThan(MAX_BATCH_BYTES)
  }
  expect(taken).toBe(500)
})

test('the records that the broker reads to settle them count as well, also once an exchange has failed', () => {
  const outbox = createOutbox()
  for (let job = 0; job < 10; job++) outbox.add(failed(`job-${job}`, ''), MAX_BATCH_BYTES / 4 - 1_000)
  const taken = outbox.take()
  expect(taken.length).toBe(4)
  outbox.giveBack(taken, new Error('away'))
  expect(outbox.take().length).toBe(4)
  expect(outbox.take(MAX_BATCH_BYTES / 2).length).toBe(2)
  expect(outbox.take(0).length).toBe(1)
})

test('what could not be delivered goes first the next time', () => {
  const outbox = createOutbox()
  outbox.add(failed('a', ''))
  const taken = outbox.take()
  outbox.add(failed('b', ''))
  outbox.giveBack(taken, new Error('away'))
  expect(outbox.take().map(({ id }) => id)).toEqual(['a', 'b'])
})
