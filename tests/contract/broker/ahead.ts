import assert from 'node:assert/strict'
import type { Case } from '../subject.ts'
import { idsOf, job, jobs, LEASE_MS, lane, read, release, succeed } from '../verbs.ts'

const lostOf = (claimed: readonly { readonly id: string; readonly lost: number }[]) =>
  Object.fromEntries(claimed.map(({ id, lost }) => [id, lost]))

export const aheadCases: readonly Case[] = [
  {
    name: 'of a worker that went away, what it had claimed ahead comes back uncounted, all at once and in its order',
    async run({ broker, clock }) {
      await broker.enqueue(jobs(30))
      assert.equal((await lane(broker, 'dead.1.0').claim(30, { ahead: 29 })).length, 30)
      await clock.advance(LEASE_MS)
      const claimed = await lane(broker, 'other.1.0').claim(100)
      assert.equal(claimed.length, 30)
      assert.deepEqual(idsOf(claimed.filter(({ lost }) => lost > 0)), ['job-0000'])
      assert.deepEqual(idsOf(claimed.filter(({ lost }) => lost === 0)), idsOf(jobs(30).slice(1)))
      for (const { attempt } of claimed) assert.equal(attempt, 1)
    },
  },
  {
    name: 'the last ones of a claim are those claimed ahead, and a claim that comes back short has fewer of them',
    async run({ broker, clock }) {
      await broker.enqueue(jobs(2))
      await lane(broker, 'dead.1.0').claim(5, { ahead: 4 })
      await clock.advance(LEASE_MS)
      assert.deepEqual(lostOf(await lane(broker, 'other.1.0').claim(5)), { 'job-0000': 1, 'job-0001': 0 })
    },
  },
  {
    name: 'a job claimed ahead counts a lost lease once it was extended',
    async run({ broker, clock }) {
      await broker.enqueue(jobs(2))
      const dead = lane(broker, 'dead.1.0')
      const [first] = await dead.claim(2, { ahead: 2 })
      assert.ok(first)
      await dead.extend(first)
      await clock.advance(LEASE_MS)
      assert.deepEqual(lostOf(await lane(broker, 'other.1.0').claim(5)), { 'job-0000': 1, 'job-0001': 0 })
    },
  },
  {
    name: 'a job goes uncounted once at most: claimed ahead a second time it counts',
    async run({ broker, clock }) {
      await broker.enqueue([job('poison')])
      const losts: number[] = []
      for (let round = 0; round < 3; round++) {
        losts.push((await lane(broker, `dead.${round}.0`).claimOne({ ahead: 1 })).lost)
        await clock.advance(LEASE_MS)
      }
      assert.deepEqual(losts, [0, 0, 1])
    },
  },
  {
    name: 'what its worker gives back unstarted goes in front again, in its order',
    async run({ broker }) {
      await broker.enqueue(jobs(4))
      const worker = lane(broker)
      await worker.settle(...(await worker.claim(3, { ahead: 2 })).map((held) => release(held)))
      assert.deepEqual(idsOf(await lane(broker, 'other.1.0').claim(4)), idsOf(jobs(4)))
    },
  },
  {
    name: 'a holder that lost what it had claimed ahead settles nothing',
    async run({ broker, clock }) {
      await broker.enqueue([job('a')])
      const dead = lane(broker, 'dead.1.0')
      const held = await dead.claimOne({ ahead: 1 })
      await clock.advance(LEASE_MS)
      const next = await lane(broker, 'other.1.0').claimOne()
      assert.deepEqual((await dead.settle(succeed(held))).late, ['a'])
      assert.deepEqual([next.epoch > held.epoch, (await read(broker, 'a')).state], [true, 'active'])
    },
  },
  {
    name: 'cancelling a job claimed ahead holds when its worker goes away',
    async run({ broker, clock }) {
      await broker.enqueue([job('a')])
      await lane(broker, 'dead.1.0').claimOne({ ahead: 1 })
      assert.deepEqual(await broker.cancel(['a']), ['asked'])
      await clock.advance(LEASE_MS)
      assert.deepEqual(await lane(broker, 'other.1.0').claim(), [])
      assert.equal((await read(broker, 'a')).state, 'cancelled')
    },
  },
]
