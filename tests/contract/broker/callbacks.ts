import assert from 'node:assert/strict'
import type { Broker } from '../../../src/broker.ts'
import type { Case } from '../subject.ts'
import {
  cancelled,
  fail,
  HOUR_MS,
  idsOf,
  job,
  jobs,
  LEASE_MS,
  lane,
  read,
  release,
  retryIn,
  succeed,
} from '../verbs.ts'
import { loseTooOften } from './lease.ts'

const DONE = 'https://hooks.example/done?of=a%7Cb'
const BROKEN = 'https://hooks.example/broken'
const BOTH = { onSuccess: DONE, onFailure: BROKEN }

/** Ids and inputs of the callbacks there are. */
async function told(broker: Broker): Promise<readonly (readonly [string, string | null])[]> {
  const { jobs: found } = await broker.list({ task: 'tq.callback', limit: 1_000 })
  return found.map(({ id, input }) => [id, input] as const).sort()
}

export const callbackCases: readonly Case[] = [
  {
    name: 'a job that succeeds has its callback made in that very step, which claims it',
    async run({ broker, clock }) {
      const worker = lane(broker)
      await broker.enqueue([job('a', { ...BOTH, queue: 'mail' })])
      const claimed = await worker.claimOne({ queues: ['mail'] })
      const reply = await worker.exchange({ settle: [succeed(claimed)], want: 5, queues: ['mail'] })
      const [callback] = reply.jobs
      assert.deepEqual(idsOf(reply.jobs), ['a:onSuccess:1'])
      assert.equal(callback?.task, 'tq.callback')
      assert.deepEqual([callback?.queue, callback?.input, callback?.attempt], ['mail', `"${DONE}"`, 1])
      assert.equal(callback?.createdAtMs, clock.now())
    },
  },
  {
    name: 'a job that fails for good tells its failure, and not before',
    async run({ broker, clock }) {
      const worker = lane(broker)
      await broker.enqueue([job('a', BOTH)])
      await worker.settle(retryIn(await worker.claimOne(), 1_000))
      assert.deepEqual(await told(broker), [])
      await clock.advance(1_000)
      await worker.settle(fail(await worker.claimOne()))
      assert.deepEqual(await told(broker), [['a:onFailure:2', `"${BROKEN}"`]])
    },
  },
  {
    name: 'a job without a callback for how it has ended tells nobody',
    async run({ broker }) {
      const worker = lane(broker)
      await broker.enqueue([job('a', { onSuccess: DONE }), job('b', { onFailure: BROKEN }), job('c')])
      const [a, b, c] = await worker.claim(3)
      assert.ok(a && b && c)
      await worker.settle(fail(a), succeed(b), succeed(c))
      assert.deepEqual(await told(broker), [])
    },
  },
  {
    name: 'a job that is cancelled or removed tells nobody, whether it runs or waits',
    async run({ broker }) {
      const worker = lane(broker)
      await broker.enqueue(['a', 'b', 'c'].map((id) => job(id, BOTH)))
      const claimed = await worker.claimOne()
      await broker.cancel(['a', 'b'])
      await worker.settle(cancelled(claimed))
      await broker.remove(['c'])
      assert.deepEqual(await told(broker), [])
    },
  },
  {
    name: 'a settlement that comes too late tells nobody; the one that counts does',
    async run({ broker, clock }) {
      const [dead, worker] = [lane(broker, 'dead.1.0'), lane(broker)]
      await broker.enqueue([job('a', BOTH)])
      const lost = await dead.claimOne()
      await clock.advance(LEASE_MS)
      const claimed = await worker.claimOne()
      assert.deepEqual((await dead.settle(succeed(lost))).late, ['a'])
      assert.deepEqual(await told(broker), [])
      await worker.settle(succeed(claimed))
      assert.deepEqual(idsOf((await broker.list({ task: 'tq.callback' })).jobs), [`a:onSuccess:${claimed.epoch}`])
    },
  },
  {
    name: 'copies of an exchange and of a settlement, at once or an hour later, make one callback',
    async run({ broker, clock }) {
      const [worker, other] = [lane(broker), lane(broker, 'worker.2.0')]
      await broker.enqueue([job('a', BOTH)])
      const settlement = succeed(await worker.claimOne(), '1', 5 * HOUR_MS)
      await worker.settle(settlement)
      await worker.again()
      await other.settle(settlement)
      const callback = await other.claimOne()
      await other.settle(succeed(callback))
      await clock.advance(2 * HOUR_MS)
      await broker.prune()
      await worker.settle(settlement)
      await broker.cancel(['a'])
      assert.deepEqual(await told(broker), [])
      assert.deepEqual(await worker.claim(), [])
    },
  },
  {
    name: 'a job that has lost too many leases tells its failure',
    async run(ctx) {
      const { broker } = ctx
      await broker.enqueue([job('a', BOTH)])
      await loseTooOften(ctx)
      const last = lane(broker)
      const [callback] = [...(await last.claim()), ...(await last.claim())]
      assert.equal((await read(broker, 'a')).state, 'failed')
      assert.match(callback?.id ?? '', /^a:onFailure:\d+$/)
    },
  },
  {
    name: 'a job that is dropped from a full queue tells its failure',
    bounds: { maxReady: 1, whenFull: 'drop-oldest' },
    async run({ broker }) {
      await broker.enqueue([job('a', BOTH)])
      await broker.enqueue([job('b')])
      assert.deepEqual(await told(broker), [['a:onFailure:0', `"${BROKEN}"`]])
    },
  },
  {
    name: 'a job that is replayed tells its end once more',
    async run({ broker }) {
      const worker = lane(broker)
      await broker.enqueue([job('a', BOTH)])
      const first = await worker.claimOne()
      await worker.settle(fail(first))
      await broker.retry([first])
      const again = (await worker.claim(2)).find(({ id }) => id === 'a')
      assert.ok(again)
      await worker.settle(succeed(again))
      assert.deepEqual(idsOf((await broker.list({ task: 'tq.callback' })).jobs).sort(), [
        'a:onFailure:1',
        `a:onSuccess:${again.epoch}`,
      ])
    },
  },
  {
    name: "a worker's tasks have callbacks of their own: for jobs that have none, and for those that it finds lost",
    async run(ctx) {
      const { broker } = ctx
      const worker = lane(broker)
      const callbacks = {
        digest: { onSuccess: 'https://task.example/', onFailure: BROKEN },
        other: { onFailure: BROKEN },
      }
      await broker.enqueue([job('a', { onSuccess: DONE }), job('b'), job('c', { task: 'other' })])
      const settle = (await worker.claim(3)).map((claimed) => succeed(claimed))
      await worker.exchange({ settle, callbacks })
      assert.deepEqual(await told(broker), [
        ['a:onSuccess:1', `"${DONE}"`],
        ['b:onSuccess:1', '"https://task.example/"'],
      ])
      await worker.settle(...(await worker.claim(2)).map((claimed) => succeed(claimed)))
      await broker.enqueue([job('d')])
      await loseTooOften(ctx)
      await lane(broker, 'last.1.0').exchange({ callbacks })
      assert.match((await told(broker)).at(-1)?.[0] ?? '', /^d:onFailure:/)
    },
  },
  {
    name: 'a thousand jobs that end together have a callback each',
    async run({ broker }) {
      const worker = lane(broker)
      await broker.enqueue(jobs(1_000, 'job', BOTH))
      const claimed = await worker.claim(1_000)
      await worker.settle(...claimed.map((one, at) => (at % 2 ? succeed(one) : fail(one))))
      const callbacks = await worker.claim(1_000)
      assert.equal(new Set(idsOf(callbacks)).size, 1_000)
    },
  },
  {
    name: 'an id that is taken keeps its job, and the end is told by nobody',
    async run({ broker }) {
      const worker = lane(broker)
      await broker.enqueue([job('a', BOTH), job('b', BOTH), job('a:onSuccess:1', { delayMs: 60_000 })])
      const claimed = await worker.claim(2)
      await worker.settle(...claimed.map((one) => succeed(one)))
      assert.deepEqual(idsOf(await worker.claim(5)), ['b:onSuccess:1'])
      assert.equal((await read(broker, 'a:onSuccess:1')).state, 'scheduled')
    },
  },
  {
    name: 'a worker that waits is hinted of a callback',
    needs: 'wake',
    async run({ broker }) {
      const [worker, idle] = [lane(broker), lane(broker, 'idle.1.0')]
      await broker.enqueue([job('a', BOTH)])
      const claimed = await worker.claimOne()
      const hinted = new Promise<void>((resolve) => void broker.wake?.listen(idle.id, () => resolve()))
      await broker.wake?.listen(idle.id, () => {})
      await idle.wait()
      await worker.settle(succeed(claimed))
      await hinted
      assert.equal((await idle.claimOne()).task, 'tq.callback')
    },
  },
  {
    name: 'a tick and a newer envelope are read beside callbacks, and a job that was put back keeps them',
    async run({ broker }) {
      const worker = lane(broker)
      const tick = { schedule: 's', dueAtMs: 1, lateMs: 0, catchUp: false }
      await broker.enqueue([job('a', { ...BOTH, v: 2, tick }), job('b', { onFailure: BROKEN, tick })])
      await worker.settle(...(await worker.claim(2)).map((claimed) => release(claimed)))
      const [a, b] = await worker.claim(2)
      assert.ok(a && b)
      assert.deepEqual([a.v, a.tick, b.v, b.tick], [2, tick, 1, tick])
      await worker.settle(succeed(a), fail(b))
      assert.deepEqual(await told(broker), [
        ['a:onSuccess:2', `"${DONE}"`],
        ['b:onFailure:2', `"${BROKEN}"`],
      ])
    },
  },
]
