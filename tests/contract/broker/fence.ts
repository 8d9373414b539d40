import assert from 'node:assert/strict'
import type { Case } from '../subject.ts'
import { active, idsOf, job, jobs, LEASE_MS, lane, read, release, retryIn, stateOf, succeed } from '../verbs.ts'

const isStale = (expectedSeq: number) => (error: unknown) => {
  assert.equal((error as Error).name, 'StaleExchange')
  assert.equal((error as { expectedSeq?: number }).expectedSeq, expectedSeq)
  return true
}

export const fenceCases: readonly Case[] = [
  {
    name: 'the epoch moves with every claim',
    async run({ broker }) {
      const worker = lane(broker)
      const first = await active(broker, worker, 'a')
      await worker.settle(release(first))
      assert.ok((await worker.claimOne()).epoch > first.epoch)
    },
  },
  {
    name: 'a holder that released a job cannot settle it under the next holder, although the attempt is the same',
    async run({ broker }) {
      const [a, b] = [lane(broker, 'a.1.0'), lane(broker, 'b.1.0')]
      const held = await active(broker, a, 'job')
      await a.settle(release(held))
      const taken = await b.claimOne()
      assert.equal(taken.attempt, held.attempt)
      assert.deepEqual((await a.settle(succeed(held, '"a"'))).late, ['job'])
      assert.deepEqual((await b.settle(succeed(taken, '"b"'))).late, [])
      assert.equal((await read(broker, 'job')).result, '"b"')
    },
  },
  {
    name: 'a holder whose lease was taken can neither settle nor extend, and is told',
    async run({ broker, clock }) {
      const [a, b] = [lane(broker, 'a.1.0'), lane(broker, 'b.1.0')]
      const held = await active(broker, a, 'job')
      await clock.advance(LEASE_MS)
      const taken = await b.claimOne()
      assert.deepEqual((await a.extend(held)).late, ['job'])
      assert.deepEqual((await a.settle(succeed(held, '"a"'))).late, ['job'])
      assert.deepEqual((await b.settle(succeed(taken, '"b"'))).late, [])
      assert.equal((await read(broker, 'job')).result, '"b"')
    },
  },
  {
    name: 'a second settlement under the same lease changes nothing',
    async run({ broker }) {
      const worker = lane(broker)
      const held = await active(broker, worker, 'a')
      await worker.settle(succeed(held, '1'))
      await worker.settle(retryIn(held, 0))
      await worker.settle(succeed(held, '2'))
      const { state, result, attempts } = await read(broker, 'a')
      assert.deepEqual([state, result, attempts], ['succeeded', '1', 1])
    },
  },
  {
    name: 'an exchange that is sent again brings the same jobs and claims no others',
    async run({ broker }) {
      await broker.enqueue(jobs(5))
      const worker = lane(broker)
      const first = await worker.claim(2)
      assert.deepEqual((await worker.again()).jobs, first)
      assert.deepEqual((await worker.again()).jobs, first)
      assert.deepEqual(idsOf(await worker.claim(10)), ['job-0002', 'job-0003', 'job-0004'])
    },
  },
  {
    name: 'an exchange that is sent again settles and counts nothing twice',
    async run({ broker, clock }) {
      const worker = lane(broker)
      const held = await active(broker, worker, 'a')
      await worker.settle(retryIn(held, 1_000))
      await clock.advance(500)
      assert.deepEqual((await worker.again()).late, [])
      const { attempts, atMs } = await read(broker, 'a')
      assert.deepEqual([attempts, atMs], [1, clock.now() + 500])
    },
  },
  {
    name: 'an exchange that is sent again brings nothing that has moved on since',
    async run({ broker, clock }) {
      const [a, b] = [lane(broker, 'a.1.0'), lane(broker, 'b.1.0')]
      await broker.enqueue(jobs(3))
      const held = await a.claim(3)
      await lane(broker, 'a.1.1').settle(succeed(held[0] as never), release(held[1] as never, 60_000))
      assert.deepEqual(idsOf((await a.again()).jobs), ['job-0002'])
      await clock.advance(LEASE_MS)
      assert.deepEqual(idsOf(await b.claim(1)), ['job-0002'])
      assert.deepEqual((await a.again()).jobs, [])
    },
  },
  {
    name: 'an exchange that is sent again says once more what came too late and what is cancelled',
    async run({ broker }) {
      const worker = lane(broker)
      const held = await active(broker, worker, 'a')
      await broker.cancel(['a'])
      const first = await worker.exchange({ extend: [held], settle: [succeed({ id: 'nobody', epoch: 4 })] })
      assert.deepEqual([first.late, first.cancelled], [['nobody'], ['a']])
      const { late, cancelled } = await worker.again()
      assert.deepEqual([late, cancelled], [['nobody'], ['a']])
    },
  },
  {
    name: 'an exchange sent again after the job was claimed under the next seq is refused as stale',
    async run({ broker }) {
      const worker = lane(broker)
      await broker.enqueue(jobs(3))
      const held = await worker.claimOne()
      const stale = {
        lane: worker.id,
        seq: worker.seq,
        queues: ['default'],
        want: 3,
        takeLost: true,
        leaseMs: LEASE_MS,
        settle: [succeed(held)],
        extend: [],
        waitMs: 0,
      }
      await worker.exchange()
      await assert.rejects(broker.exchange(stale), isStale(2))
      assert.equal(await stateOf(broker, held.id), 'active')
      assert.equal((await lane(broker, 'other.1.0').claim(3)).length, 2)
    },
  },
  {
    name: 'the lanes of a worker count for themselves',
    async run({ broker }) {
      await broker.enqueue(jobs(4))
      const [a, b] = [lane(broker, 'worker.1.0'), lane(broker, 'worker.1.1')]
      for (let round = 0; round < 3; round++) await a.exchange()
      assert.equal((await b.claimOne()).id, 'job-0000')
      assert.equal((await a.claimOne()).id, 'job-0001')
      assert.deepEqual(idsOf((await b.again()).jobs), ['job-0000'])
    },
  },
  {
    name: 'a worker that starts anew under another incarnation begins at its first exchange',
    async run({ broker }) {
      const before = lane(broker, 'worker.one.0')
      for (let round = 0; round < 5; round++) await before.exchange()
      await broker.enqueue([job('a')])
      assert.equal((await lane(broker, 'worker.two.0').claimOne()).id, 'a')
    },
  },
  {
    name: 'a lane may skip numbers',
    async run({ broker }) {
      await broker.enqueue([job('a')])
      const worker = lane(broker)
      await worker.exchange()
      const reply = await broker.exchange({
        lane: worker.id,
        seq: 9,
        queues: ['default'],
        want: 1,
        takeLost: true,
        leaseMs: LEASE_MS,
        settle: [],
        extend: [],
        waitMs: 0,
      })
      assert.deepEqual(idsOf(reply.jobs), ['a'])
    },
  },
]
