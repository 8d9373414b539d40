import { expect, test } from 'bun:test'
import { defineTask } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { active, LEASE_MS, lane } from '../../../contract/verbs.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { createBench } from '../../../support/worker-bench.ts'

test('leases that are held after a step of the clock are not said to be claimable, not to an exchange sent again either', async () => {
  const clock = createVirtualClock()
  const broker = sqliteBroker({ path: ':memory:', clock })
  await active(broker, lane(broker, 'dead.1.0'), 'a')
  clock.stepWall(600_000)
  const other = lane(broker, 'other.1.0')
  for (const { jobs, nextAtMs, nowMs } of [await other.exchange({ want: 1 }), await other.again()]) {
    expect(jobs).toEqual([])
    expect(nextAtMs).toBe(nowMs + LEASE_MS)
  }
  await clock.advance(LEASE_MS)
  expect((await other.claimOne()).id).toBe('a')
})

test('a worker does not ask in a hot loop while leases are held after a step of the clock', async () => {
  const bench = createBench()
  await active(bench.broker, lane(bench.broker, 'dead.1.0'), 'a')
  bench.clock.stepWall(600_000)
  const worker = bench.start([defineTask({ name: 'digest', run: () => 'done' })], { lanes: 1 })
  await bench.clock.advance(LEASE_MS)
  await bench.reaches('a', 'succeeded')
  worker.stop()
  expect((await worker.done).exchanges).toBeLessThan(10)
})
