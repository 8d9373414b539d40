/** Ticks that somebody asks for: a schedule is run now, and stands where it stood. */
import assert from 'node:assert/strict'
import type { Tick } from '../../../src/broker.ts'
import type { Job } from '../../../src/job.ts'
import type { Overlap } from '../../../src/schedule.ts'
import type { Case } from '../subject.ts'
import { HOUR_MS, idsOf, job, lane, pruneAll, stateOf, succeed } from '../verbs.ts'
import { overlapTick } from './overlap.ts'
import { remove, set, stored } from './schedules.ts'

const manual = (id: string, overlap?: Overlap, given: Partial<Tick> = {}, ofJob: Partial<Job> = {}): Tick => ({
  schedule: 'digest',
  revision: 1,
  dueAtMs: null,
  nextDueAtMs: null,
  job: job(id, ofJob),
  ...(overlap ? { overlap } : {}),
  ...given,
})

export const manualCases: readonly Case[] = [
  {
    name: 'a schedule that is run by hand makes a job, and stands where it stood, due or not, or ended',
    async run({ broker, clock }) {
      for (const dueAtMs of [clock.now() - 1, clock.now() + 60_000, null]) {
        const schedule = `due-${dueAtMs}`
        await broker.setSchedules([set(schedule, { dueAtMs })])
        const before = await stored(broker, schedule)
        assert.deepEqual(await broker.fire([manual(`of-${schedule}`, undefined, { schedule })]), ['fired'])
        assert.deepEqual(await stored(broker, schedule), before)
        assert.equal(await stateOf(broker, `of-${schedule}`), 'queued')
      }
    },
  },
  {
    name: 'a tick by hand of a schedule that has changed, was removed or is not known makes no job',
    async run({ broker }) {
      assert.deepEqual(await broker.fire([manual('a')]), ['moved'])
      await broker.setSchedules([set('digest')])
      assert.deepEqual(await broker.fire([manual('a', undefined, { job: null })]), ['moved'])
      await broker.setSchedules([set('digest', { definition: '{"a":2}', stampMs: 2 })])
      assert.deepEqual(await broker.fire([manual('a')]), ['moved'])
      await broker.setSchedules([remove('digest', 3)])
      assert.deepEqual(await broker.fire([manual('a', undefined, { revision: 3 })]), ['moved'])
      assert.equal(await stateOf(broker, 'a'), null)
    },
  },
  {
    name: 'a tick by hand that is sent again, at once or late, makes nothing',
    async run({ broker, clock }) {
      await broker.setSchedules([set('digest')])
      const tick = manual('a')
      assert.deepEqual(await broker.fire([tick, tick]), ['fired', 'existing'])
      assert.deepEqual(await broker.fire([tick]), ['existing'])
      const by = lane(broker)
      await by.settle(succeed(await by.claimOne(), '"done"', 1_000))
      await clock.advance(HOUR_MS - 1)
      await pruneAll(broker)
      await broker.setSchedules([remove('digest', 2)])
      assert.deepEqual(await broker.fire([tick]), ['existing'])
      assert.deepEqual(await by.claim(10), [])
    },
  },
  {
    name: 'ticks by hand and due ones obey the rule of overlap with each other',
    async run({ broker, clock }) {
      const startMs = clock.now()
      await broker.setSchedules([set('digest', { dueAtMs: startMs })])
      assert.deepEqual(await broker.fire([manual('a', 'skip'), overlapTick(startMs, 0, 'skip')]), ['fired', 'skipped'])
      assert.deepEqual(await broker.fire([manual('b', 'bufferOne'), manual('c', 'bufferOne')]), ['fired', 'skipped'])
      assert.equal(await stateOf(broker, 'b'), 'blocked')
      const by = lane(broker)
      const held = await by.claimOne()
      assert.deepEqual(idsOf(await by.claim(10, { settle: [succeed(held)] })), ['b'])
      assert.deepEqual(await broker.fire([overlapTick(startMs, 1, 'bufferAll')]), ['fired'])
      assert.equal(await stateOf(broker, 'digest.1'), 'blocked')
    },
  },
  {
    name: 'a tick by hand that was skipped makes nothing when its copy arrives late',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      assert.deepEqual(await broker.fire([manual('a', 'skip'), manual('b', 'skip')]), ['fired', 'skipped'])
      await broker.cancel(['a'])
      assert.deepEqual(await broker.fire([manual('b', 'skip')]), ['existing'])
      assert.equal(await stateOf(broker, 'b'), null)
      assert.deepEqual(await broker.fire([manual('c', 'skip')]), ['fired'])
    },
  },
  {
    name: 'a tick by hand that cancels the ones before it does not cancel itself when it is sent again',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      await broker.fire([manual('a', 'cancelPrevious')])
      assert.deepEqual(await broker.fire([manual('b', 'cancelPrevious')]), ['fired'])
      assert.deepEqual(await broker.fire([manual('b', 'cancelPrevious')]), ['existing'])
      assert.deepEqual([await stateOf(broker, 'a'), await stateOf(broker, 'b')], ['cancelled', 'queued'])
      assert.deepEqual(await broker.fire([manual('a', 'cancelPrevious')]), ['existing'])
      assert.deepEqual([await stateOf(broker, 'a'), await stateOf(broker, 'b')], ['cancelled', 'queued'])
    },
  },
  {
    name: 'a tick by hand whose queue is full makes nothing, and may be sent again',
    bounds: { maxReady: 1 },
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      await broker.enqueue([job('first')])
      assert.deepEqual(await broker.fire([manual('a'), manual('b', 'skip')]), ['full', 'full'])
      assert.deepEqual(await broker.runs('digest'), [])
      await lane(broker).claimOne()
      assert.deepEqual(await broker.fire([manual('b', 'skip')]), ['fired'])
    },
  },
  {
    name: 'ticks by hand are kept among the runs, whatever becomes of the due times',
    async run({ broker, clock }) {
      const startMs = clock.now()
      await broker.setSchedules([set('digest', { dueAtMs: startMs - 60_000 })])
      const told = { schedule: 'digest', dueAtMs: startMs - 5, lateMs: 0, catchUp: false }
      assert.deepEqual(await broker.fire([manual('a', 'skip', {}, { tick: told }), manual('b', 'skip')]), [
        'fired',
        'skipped',
      ])
      await broker.fire([overlapTick(startMs - 60_000, 0, undefined)])
      const byHand = { firedAtMs: startMs, manual: true } as const
      assert.deepEqual(await broker.runs('digest'), [
        { dueAtMs: startMs - 60_000, firedAtMs: startMs, outcome: 'fired', jobId: 'digest.0' },
        { dueAtMs: startMs, ...byHand, outcome: 'skipped', jobId: null },
        { dueAtMs: startMs - 5, ...byHand, outcome: 'fired', jobId: 'a' },
      ])
    },
  },
]
