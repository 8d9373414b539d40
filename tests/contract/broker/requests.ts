/** Jobs of one request, by its fingerprint: the same by that alone, and stored together or not at all. */
import assert from 'node:assert/strict'
import type { Broker } from '../../../src/broker.ts'
import type { Job } from '../../../src/job.ts'
import type { Case } from '../subject.ts'
import { HOUR_MS, idsOf, job, jobs, lane, pruneAll, read, stateOf, succeed } from '../verbs.ts'
import { overlapTick } from './overlap.ts'
import { set } from './schedules.ts'
import { follow } from './transitions.ts'

const SECOND_MS = 1_000
const of = (fingerprint: string, ...ids: readonly string[]) => ids.map((id) => job(id, { fingerprint }))
const idsThere = async (broker: Broker) => idsOf((await broker.list({ limit: 1_000 })).jobs).toSorted()
const outcomesOf = (outcome: string, count: number) => Array<string>(count).fill(outcome)
const byHand = (made: Job) => ({ schedule: 'digest', revision: 1, dueAtMs: null, nextDueAtMs: null, job: made })

export const requestCases: readonly Case[] = [
  {
    name: 'a job is the same by its fingerprint alone, while it waits, once it has succeeded, and as a stub',
    async run({ broker, clock }) {
      const same = () => broker.enqueue([...of('one', 'a'), job('a', { fingerprint: 'other' })])
      const by = lane(broker)
      assert.deepEqual(await broker.enqueue(of('one', 'a')), ['created'])
      assert.deepEqual(await same(), ['existing', 'conflict'])
      const claimed = await by.claimOne()
      assert.deepEqual(await same(), ['existing', 'conflict'])
      await by.settle(succeed(claimed, '"done"', SECOND_MS))
      assert.deepEqual(await same(), ['existing', 'conflict'])
      await clock.advance(2 * SECOND_MS)
      await pruneAll(broker)
      assert.equal(await stateOf(broker, 'a'), null)
      assert.deepEqual(await same(), ['existing', 'conflict'])
      await clock.advance(HOUR_MS)
      await pruneAll(broker)
      assert.deepEqual(await broker.enqueue(of('other', 'a')), ['created'])
    },
  },
  {
    name: 'a job that was removed, and one without a fingerprint, are none of a request',
    async run({ broker }) {
      await broker.enqueue([...of('one', 'a'), job('b')])
      await broker.remove(['a'])
      assert.deepEqual(await broker.enqueue(of('one', 'a')), ['existing'])
      assert.deepEqual(await broker.enqueue(of('other', 'a')), ['conflict'])
      assert.deepEqual(await broker.enqueue(of('one', 'b')), ['conflict'])
    },
  },
  {
    name: 'a fingerprint shows nowhere: not in the record, not at the worker, not in the tick',
    async run({ broker }) {
      const tick = { schedule: 'digest', dueAtMs: 1, lateMs: 0, catchUp: false }
      await broker.enqueue([job('a', { fingerprint: 'one' }), job('b', { fingerprint: 'two', tick })])
      assert.deepEqual([(await read(broker, 'a')).tick, (await read(broker, 'b')).tick], [null, tick])
      const claimed = await lane(broker).claim(2)
      assert.deepEqual(
        claimed.map((one) => one.tick),
        [null, tick],
      )
      assert.ok(!JSON.stringify([claimed, await broker.list({})]).includes('fingerprint'))
    },
  },
  {
    name: 'of a request that meets another one nothing is stored, however many of its jobs are new; jobs beside it are',
    async run({ broker }) {
      await broker.enqueue(of('one', 'a', 'a.1'))
      const longer = await broker.enqueue([...of('two', 'a', 'a.1', 'a.2'), job('beside')])
      assert.deepEqual(longer, ['conflict', 'conflict', 'conflict', 'created'])
      assert.deepEqual(await broker.enqueue(of('three', 'a')), ['conflict'])
      assert.deepEqual(await idsThere(broker), ['a', 'a.1', 'beside'])
      const many = jobs(200, 'a', { fingerprint: 'four' })
      assert.deepEqual(await broker.enqueue([...many, ...of('four', 'a')]), outcomesOf('conflict', 201))
      assert.deepEqual(await idsThere(broker), ['a', 'a.1', 'beside'])
    },
  },
  {
    name: 'where one job of a request is there they all were: those whose records have gone are not made again',
    async run({ broker, clock }) {
      const request = jobs(120, 'many', { fingerprint: 'one' })
      assert.deepEqual(await broker.enqueue(request), outcomesOf('created', 120))
      const by = lane(broker)
      for (const claimed of await by.claim(60)) await by.settle(succeed(claimed, '"done"', SECOND_MS))
      await clock.advance(HOUR_MS + SECOND_MS)
      await pruneAll(broker)
      assert.equal((await idsThere(broker)).length, 60)
      assert.deepEqual(await broker.enqueue(request), outcomesOf('existing', 120))
      assert.equal((await idsThere(broker)).length, 60)
    },
  },
  {
    name: 'of a request of which one job finds its queue full nothing is stored',
    bounds: { maxReady: 2, maxTimed: 1 },
    async run({ broker }) {
      await broker.enqueue([job('there')])
      const full = [job('a', { fingerprint: 'one', queue: 'other' }), ...of('one', 'a.1', 'a.2')]
      assert.deepEqual(await broker.enqueue([...full, job('b', { queue: 'other' })]), [
        'full',
        'full',
        'full',
        'created',
      ])
      assert.deepEqual(await idsThere(broker), ['b', 'there'])
      assert.deepEqual(await broker.enqueue(of('two', 'a')), ['created'])
    },
  },
  {
    name: 'a job that a request names twice is stored once, and where its queue is full not at all',
    bounds: { maxReady: 3 },
    async run({ broker }) {
      const twice = of('one', 'a', 'b', 'a')
      assert.deepEqual(await broker.enqueue(twice), ['created', 'created', 'existing'])
      assert.deepEqual(await idsThere(broker), ['a', 'b'])
      assert.deepEqual(await broker.enqueue(twice), outcomesOf('existing', 3))
      assert.deepEqual(await broker.enqueue(of('two', 'c', 'd', 'c')), outcomesOf('full', 3))
      assert.deepEqual(await broker.enqueue([...of('two', 'c'), ...of('three', 'c', 'e')]), [
        'created',
        'conflict',
        'conflict',
      ])
      assert.deepEqual(await idsThere(broker), ['a', 'b', 'c'])
    },
  },
  {
    name: 'a request of which one job finds its queue full makes no other job give way',
    bounds: { maxReady: 2, maxTimed: 1, whenFull: 'drop-oldest', events: true },
    async run({ broker }) {
      const later = { delayMs: SECOND_MS }
      await broker.enqueue([job('old', { onFailure: 'https://hooks.example/' }), job('older'), job('later', later)])
      const told = await follow(broker)
      const request = [...of('one', 'a'), job('b', { fingerprint: 'one', ...later })]
      assert.deepEqual(await broker.enqueue(request), ['full', 'full'])
      assert.deepEqual(await idsThere(broker), ['later', 'old', 'older'])
      assert.deepEqual(await told(), [])
    },
  },
  {
    name: 'a tick by hand of another request under the same id is a conflict, also where it was skipped',
    async run({ broker, clock }) {
      await broker.setSchedules([set('digest', { dueAtMs: clock.now() })])
      const [a, other] = [job('a', { fingerprint: 'one' }), job('a', { fingerprint: 'two' })]
      assert.deepEqual(await broker.fire([byHand(a)]), ['fired'])
      assert.deepEqual(await broker.fire([byHand(a), byHand(other), byHand(job('a'))]), [
        'existing',
        'conflict',
        'existing',
      ])
      assert.deepEqual(await broker.fire([overlapTick(clock.now(), 0, 'skip')]), ['fired'])
      const [b, not] = [job('b', { fingerprint: 'one' }), job('b', { fingerprint: 'two' })]
      assert.deepEqual(await broker.fire([{ ...byHand(b), overlap: 'skip' }]), ['skipped'])
      assert.deepEqual(await broker.fire([byHand(b), byHand(not)]), ['existing', 'conflict'])
    },
  },
]
