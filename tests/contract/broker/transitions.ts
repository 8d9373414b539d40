/** What becomes of jobs, as a broker that keeps events tells of it. */
import assert from 'node:assert/strict'
import type { Broker, Transition } from '../../../src/broker.ts'
import { isTqError } from '../../../src/errors.ts'
import { isFinished } from '../../../src/words.ts'
import { flaky } from '../../support/flaky-broker.ts'
import { seededRandom } from '../../support/random.ts'
import type { Case } from '../subject.ts'
import { cancelled, fail, idsOf, job, jobs, LEASE_MS, lane, release, retryIn, stateOf, succeed } from '../verbs.ts'
import { idsAt, lookedAhead } from './looked-ahead.ts'
import { overlapTick } from './overlap.ts'
import { remove, set } from './schedules.ts'

export const pageOf = async (broker: Broker, after?: string, limit?: number) => {
  assert.ok(broker.transitions, 'expected a broker that keeps events')
  return broker.transitions({ ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) })
}

/** All that is told from there on. */
export async function readAll(broker: Broker, after: string, limit?: number): Promise<Transition[]> {
  const found: Transition[] = []
  for (let [cursor, more] = [after, true]; more; ) {
    const page = await pageOf(broker, cursor, limit)
    assert.equal(page.gap, undefined)
    assert.ok(limit === undefined || page.transitions.length <= limit)
    found.push(...page.transitions)
    cursor = page.cursor
    more = page.more
  }
  return found
}

/** Follows a broker from now on: each call answers what was told since the last one, as `job state attempts`. */
export async function follow(broker: Broker): Promise<() => Promise<string[]>> {
  let { cursor } = await pageOf(broker)
  return async () => {
    const told = await readAll(broker, cursor)
    cursor = told.at(-1)?.cursor ?? cursor
    return told.map(({ id, state, attempts }) => `${id} ${state} ${attempts}`)
  }
}

const events = { events: { maxEvents: 100_000 } }

export const transitionCases: readonly Case[] = [
  {
    name: 'a broker that was not told to keeps no events, and says so',
    async run({ broker }) {
      await broker.enqueue([job('a')])
      await assert.rejects(
        async () => {
          if (broker.name !== 'http') assert.equal(broker.transitions, undefined)
          await (broker.transitions?.() ?? Promise.reject({ name: 'EventsOff' }))
        },
        { name: 'EventsOff' },
      )
    },
  },
  {
    name: 'a callback is told of from when it is made, behind the end of its job',
    bounds: events,
    async run({ broker }) {
      const told = await follow(broker)
      const worker = lane(broker)
      await broker.enqueue([job('a', { onSuccess: 'https://hooks.example/done' })])
      await worker.exchange({ settle: [succeed(await worker.claimOne())], want: 1 })
      const callback = ['a:onSuccess:1 queued 0', 'a:onSuccess:1 active 0']
      assert.deepEqual(await told(), ['a queued 0', 'a active 0', 'a succeeded 1', ...callback])
    },
  },
  {
    name: 'each transition of a job is told once, in order, with what is known of it',
    bounds: events,
    async run({ broker, clock }) {
      const told = await follow(broker)
      const worker = lane(broker)
      await broker.enqueue([job('a'), job('later', { delayMs: 60_000, queue: 'mail' })])
      assert.deepEqual(await told(), ['a queued 0', 'later scheduled 0'])
      await worker.settle(retryIn(await worker.claimOne(), 1_000))
      assert.deepEqual(await told(), ['a active 0', 'a retrying 1'])
      await clock.advance(1_000)
      await worker.settle(release(await worker.claimOne()))
      assert.deepEqual(await told(), ['a active 1', 'a queued 1'])
      await worker.settle(release(await worker.claimOne(), 1_000))
      assert.deepEqual(await told(), ['a active 1', 'a scheduled 1'])
      await clock.advance(1_000)
      await worker.settle(fail(await worker.claimOne()))
      assert.deepEqual(await told(), ['a active 1', 'a failed 2'])
      await broker.retry([{ id: 'a', epoch: (await broker.get(['a']))[0]?.epoch ?? 0 }])
      await worker.settle(succeed(await worker.claimOne()))
      assert.deepEqual(await told(), ['a queued 0', 'a active 0', 'a succeeded 1'])
      await clock.advance(1)
      await broker.remove(['a'])
      await broker.promote([{ id: 'later', epoch: 0 }])
      assert.deepEqual(await told(), ['a removed 1', 'later queued 0'])
      await broker.cancel(['later'])
      assert.deepEqual(await told(), ['later cancelled 0'])
      assert.deepEqual(await told(), [])
    },
  },
  {
    name: 'a transition names its job, its task, its queue and when it was',
    bounds: events,
    async run({ broker, clock }) {
      const { cursor } = await pageOf(broker)
      await broker.enqueue([job('a|b c', { queue: 'mail|x', task: 'send' }), job('other')])
      const atMs = clock.now()
      await clock.advance(5)
      await lane(broker).claim(1, { queues: ['mail|x'] })
      const told = (await readAll(broker, cursor)).map(({ cursor: _, ...rest }) => rest)
      const of = { id: 'a|b c', task: 'send', queue: 'mail|x', attempts: 0 }
      assert.deepEqual(told, [
        { ...of, state: 'queued', atMs },
        { id: 'other', task: 'digest', queue: 'default', attempts: 0, state: 'queued', atMs },
        { ...of, state: 'active', atMs: atMs + 5 },
      ])
    },
  },
  {
    name: 'a call that is sent again tells of nothing',
    bounds: events,
    async run({ broker, clock }) {
      const worker = lane(broker)
      await broker.enqueue([job('a'), job('b'), job('later', { delayMs: 60_000 })])
      const [a, b] = await worker.claim(2)
      const told = await follow(broker)
      await worker.again()
      await broker.enqueue([job('a'), job('later', { delayMs: 60_000 })])
      assert.deepEqual(await told(), [])
      assert.ok(a && b)
      await worker.settle(succeed(a), fail(b))
      assert.deepEqual((await told()).sort(), ['a succeeded 1', 'b failed 1'])
      await worker.again()
      await worker.settle(succeed(a), fail(b))
      assert.deepEqual(await told(), [])
      const changes = [
        () => broker.retry([b]),
        () => broker.promote([{ id: 'later', epoch: 0 }]),
        () => broker.cancel(['b', 'later']),
        () => broker.remove(['b', 'later', 'nobody']),
      ]
      const expected = [['b queued 0'], ['later queued 0'], ['b cancelled 0', 'later cancelled 0']]
      for (const [at, change] of changes.entries()) {
        await clock.advance(1)
        await change()
        assert.deepEqual(await told(), expected[at] ?? ['b removed 0', 'later removed 0'])
        await change()
        assert.deepEqual(await told(), [])
      }
    },
  },
  {
    name: 'a reader goes on where it ended, however little it reads at a time, without loss or repetition',
    bounds: events,
    async run({ broker }) {
      await broker.enqueue(jobs(3, 'before'))
      const { cursor } = await pageOf(broker)
      await broker.enqueue(jobs(25, 'together'))
      for (const one of jobs(30, 'single')) await broker.enqueue([one])
      const all = await readAll(broker, cursor)
      assert.deepEqual(idsOf(all), idsOf([...jobs(25, 'together'), ...jobs(30, 'single')]))
      const cursors = all.map((one) => one.cursor)
      assert.deepEqual(cursors, [...new Set(cursors)].sort())
      for (const limit of [1, 7, 25, 55]) assert.deepEqual(await readAll(broker, cursor, limit), all)
      for (const at of [0, 11, 24, 25, 53])
        assert.deepEqual(await readAll(broker, String(cursors[at])), all.slice(at + 1))
      assert.equal((await pageOf(broker)).cursor, cursors.at(-1))
    },
  },
  {
    name: 'a reader that comes too late is told of the gap, and goes on from what is kept',
    bounds: { events: { maxEvents: 100 } },
    async run({ broker }) {
      await broker.enqueue([job('first')])
      const { cursor } = await pageOf(broker)
      for (const one of jobs(450)) await broker.enqueue([one])
      const late = await pageOf(broker, cursor)
      assert.equal(late.gap, true)
      assert.ok(late.transitions.length > 0)
      const rest = late.more ? await readAll(broker, late.cursor) : []
      const kept = [...late.transitions, ...rest]
      assert.ok(kept.length >= 100 && kept.length < 450, `${kept.length} kept`)
      assert.equal(kept.at(-1)?.id, 'job-0449')
      assert.deepEqual(await readAll(broker, kept.at(-1)?.cursor ?? ''), [])
    },
  },
  {
    name: 'a cursor that is none is refused',
    bounds: events,
    async run({ broker }) {
      for (const after of ['', '5', 'first', '0-0', `${'0'.repeat(16)}x`])
        await assert.rejects(pageOf(broker, after), (error: Error) => isTqError(error, 'InvalidOption'))
    },
  },
  {
    name: 'a job that a full queue does not take is not told of, and one that gives way is',
    bounds: { ...events, maxReady: 2, whenFull: 'reject' },
    async run({ broker }) {
      const told = await follow(broker)
      await broker.enqueue(jobs(2))
      assert.deepEqual(await broker.enqueue(jobs(2, 'more')), ['full', 'full'])
      assert.deepEqual(await told(), ['job-0000 queued 0', 'job-0001 queued 0'])
    },
  },
  {
    name: 'the oldest job, which gives way to a new one, is told to be cancelled',
    bounds: { ...events, maxReady: 2, whenFull: 'drop-oldest' },
    async run({ broker }) {
      const told = await follow(broker)
      await broker.enqueue(jobs(3))
      const all = ['job-0000 queued 0', 'job-0001 queued 0', 'job-0002 queued 0', 'job-0000 cancelled 0']
      assert.deepEqual(await told(), all)
    },
  },
  {
    name: 'jobs that wait for one another are told to be blocked, and to be freed',
    bounds: events,
    async run({ broker, clock }) {
      const startMs = clock.now()
      await broker.setSchedules([set('digest', { dueAtMs: startMs })])
      const told = await follow(broker)
      await broker.fire([0, 1].map((n) => overlapTick(startMs, n, 'bufferAll')))
      assert.deepEqual(await told(), ['digest.0 queued 0', 'digest.1 blocked 0'])
      const worker = lane(broker)
      await worker.settle(cancelled(await worker.claimOne()))
      assert.deepEqual(await told(), ['digest.0 active 0', 'digest.0 cancelled 0', 'digest.1 queued 0'])
      await broker.purge('default', 0)
      assert.deepEqual(await told(), ['digest.1 removed 0'])
    },
  },
  {
    name: 'what was looked ahead and is taken back is told to be removed',
    bounds: events,
    async run({ broker, clock }) {
      const told = await follow(broker)
      const ids = idsAt(await lookedAhead(broker, clock, 2))
      assert.deepEqual(
        await told(),
        ids.map((id) => `${id} scheduled 0`),
      )
      await broker.setSchedules([remove('digest')])
      assert.deepEqual(
        (await told()).sort(),
        ids.map((id) => `${id} removed 0`),
      )
    },
  },
  {
    name: 'a job whose worker has gone is told of each time it is taken over, and when that ends it',
    bounds: events,
    async run({ broker, clock }) {
      const told = await follow(broker)
      await broker.enqueue([job('a')])
      const states: string[] = []
      for (let at = 0; at < 40 && (await stateOf(broker, 'a')) !== 'failed'; at++) {
        await lane(broker, `worker.${at}.0`).claim(1)
        await clock.advance(LEASE_MS * 5)
        states.push(...(await told()).map((line) => line.split(' ')[1] as string))
      }
      assert.equal(states.at(-1), 'failed')
      assert.equal(states.filter((state) => state === 'active').length, 5)
      assert.ok(
        states.every((state, at) => state !== states[at - 1]),
        states.join(' '),
      )
    },
  },
  {
    name: 'a job that was claimed ahead by a worker that has gone is told to be queued again',
    bounds: events,
    async run({ broker, clock }) {
      const told = await follow(broker)
      await broker.enqueue([job('a')])
      await lane(broker, 'gone.1.0').claim(1, { ahead: 1 })
      await clock.advance(LEASE_MS)
      await lane(broker).claimOne()
      assert.deepEqual(await told(), ['a queued 0', 'a active 0', 'a queued 0', 'a active 0'])
    },
  },
  {
    name: 'what one broker does, another one on the same store tells of',
    needs: 'a second broker',
    bounds: events,
    async run({ broker, open }) {
      const other = (await open?.()) as Broker
      const told = await follow(other)
      await broker.enqueue([job('a')])
      await other.enqueue([job('b')])
      assert.deepEqual(await told(), ['a queued 0', 'b queued 0'])
    },
  },
  {
    name: 'with calls lost, repeated and late, each job’s transitions are told once and lead to the state that it is in',
    bounds: events,
    async run({ broker, clock }) {
      const { cursor } = await pageOf(broker)
      const random = seededRandom(7)
      const calls = flaky(broker, { random })
      const many = jobs(60)
      const again = async (send: () => Promise<unknown>) => {
        for (let tries = 0; tries < 50; tries++)
          if (
            await send().then(
              () => true,
              () => false,
            )
          )
            return
      }
      await again(() => calls.enqueue(many))
      const worker = lane(calls)
      for (let round = 0; round < 12; round++) {
        let claimed: readonly { id: string; epoch: number }[] = []
        const keep = (reply: { readonly jobs: typeof claimed }) => {
          claimed = reply.jobs
        }
        await worker.exchange({ want: 20 }).then(keep, () => again(() => worker.again().then(keep)))
        const settle = claimed.map((held) =>
          random() < 0.3 ? retryIn(held, 500) : random() < 0.2 ? fail(held) : succeed(held),
        )
        await worker.exchange({ settle }).catch(() => again(() => worker.again()))
        await clock.advance(1_000)
      }
      await calls.deliverLate()
      const told = await readAll(broker, cursor)
      for (const [at, record] of (await broker.get(idsOf(many))).entries()) {
        const states = told.filter(({ id }) => id === many[at]?.id).map(({ state }) => state)
        assert.equal(states[0], 'queued')
        assert.equal(states.at(-1), record?.state)
        assert.ok(
          states.every((state, n) => state !== states[n - 1]),
          states.join(' '),
        )
        assert.ok(states.filter((state) => state !== 'removed' && isFinished(state)).length <= 1)
      }
    },
  },
]
