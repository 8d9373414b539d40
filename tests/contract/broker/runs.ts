/** What is kept of a schedule's last ticks. */
import assert from 'node:assert/strict'
import { type Broker, RUNS_KEPT, type ScheduleRun } from '../../../src/broker.ts'
import { tickJobId } from '../../../src/job.ts'
import type { Case } from '../subject.ts'
import { job } from '../verbs.ts'
import { EVERY_MS, lookedAhead, ticksAt } from './looked-ahead.ts'
import { overlapTick } from './overlap.ts'
import { remove, set } from './schedules.ts'

/** Without the outcome, which is `fired`. */
const fired = (dueAtMs: number, firedAtMs: number, jobId: string): ScheduleRun => ({
  dueAtMs,
  firedAtMs,
  outcome: 'fired',
  jobId,
})

const dueTimesOf = async (broker: Broker) => (await broker.runs('digest')).map(({ dueAtMs }) => dueAtMs)

export const runCases: readonly Case[] = [
  {
    name: 'a schedule that was never fired, or is not known, has no runs',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      assert.deepEqual([await broker.runs('digest'), await broker.runs('nobody')], [[], []])
    },
  },
  {
    name: 'each tick is kept with when it was fired and its job, newest first',
    async run({ broker, clock }) {
      const startMs = clock.now()
      await broker.setSchedules([set('digest', { dueAtMs: startMs })])
      await clock.advance(7)
      await broker.fire([overlapTick(startMs, 0, undefined)])
      await clock.advance(60_000)
      const id = tickJobId('digest', 'i1', startMs + 60_000)
      await broker.fire([overlapTick(startMs, 1, undefined, { job: { id } })])
      assert.deepEqual(await broker.runs('digest'), [
        fired(startMs + 60_000, startMs + 60_007, id),
        fired(startMs, startMs + 7, 'digest.0'),
      ])
    },
  },
  {
    name: 'a run names the due time that it stands for, one that was passed over the first that was',
    async run({ broker, clock }) {
      const startMs = clock.now()
      await broker.setSchedules([set('digest', { dueAtMs: startMs })])
      await clock.advance(100_000)
      const nowMs = startMs + 100_000
      const told = { schedule: 'digest', dueAtMs: startMs + 95_000, lateMs: 5_000, catchUp: true }
      const late = overlapTick(startMs, 0, undefined, { nextDueAtMs: startMs + 120_000, job: { tick: told } })
      await broker.fire([late])
      const over = { schedule: 'digest', revision: 1, dueAtMs: startMs + 120_000, nextDueAtMs: null, job: null }
      await clock.advance(100_000)
      await broker.fire([over])
      assert.deepEqual(await broker.runs('digest'), [
        { dueAtMs: startMs + 120_000, firedAtMs: nowMs + 100_000, outcome: 'missed', jobId: null },
        fired(startMs + 95_000, nowMs, 'digest.0'),
      ])
    },
  },
  {
    name: 'a tick that is skipped is kept without a job',
    async run({ broker, clock }) {
      const startMs = clock.now()
      await broker.setSchedules([set('digest', { dueAtMs: startMs })])
      const ticks = [0, 1].map((n) => overlapTick(startMs, n, 'skip'))
      assert.deepEqual(await broker.fire(ticks), ['fired', 'skipped'])
      assert.deepEqual(await broker.runs('digest'), [
        { dueAtMs: startMs + 60_000, firedAtMs: startMs, outcome: 'skipped', jobId: null },
        fired(startMs, startMs, 'digest.0'),
      ])
    },
  },
  {
    name: 'the last ten are kept, of each schedule its own, however many are fired in a call',
    async run({ broker, clock }) {
      const startMs = clock.now()
      await broker.setSchedules(['digest', 'other'].map((name) => set(name, { dueAtMs: startMs })))
      const ticks = Array.from({ length: 25 }, (_, n) => overlapTick(startMs, n, undefined))
      await broker.fire([...ticks.slice(0, 4), overlapTick(startMs, 0, undefined, { schedule: 'other' })])
      await broker.fire(ticks.slice(4, 8))
      const dueFrom = (last: number, count: number) =>
        Array.from({ length: count }, (_, n) => startMs + (last - n) * 60_000)
      assert.deepEqual(await dueTimesOf(broker), dueFrom(7, 8))
      await broker.fire(ticks.slice(8, 11))
      assert.deepEqual(await dueTimesOf(broker), dueFrom(10, RUNS_KEPT))
      await broker.fire(ticks.slice(11))
      assert.deepEqual(await dueTimesOf(broker), dueFrom(24, RUNS_KEPT))
      assert.equal((await broker.runs('other')).length, 1)
    },
  },
  {
    name: 'a tick that is fired again, at once or late, or is not fired, is no run',
    bounds: { maxReady: 2 },
    async run({ broker, clock }) {
      const startMs = clock.now()
      await broker.setSchedules([set('digest', { dueAtMs: startMs })])
      const ticks = [0, 1, 2].map((n) => overlapTick(startMs, n, undefined))
      await broker.fire(ticks.slice(0, 1))
      await broker.fire(ticks.slice(0, 2))
      assert.deepEqual(await broker.fire(ticks), ['existing', 'existing', 'full'])
      await broker.fire([overlapTick(startMs, 2, undefined, { revision: 7 })])
      assert.deepEqual(await dueTimesOf(broker), [startMs + 60_000, startMs])
    },
  },
  {
    name: 'what was looked ahead is a run, until a change takes it back',
    async run({ broker, clock }) {
      const [first = 0, second = 0, third = 0] = await lookedAhead(broker, clock, 3)
      assert.deepEqual(await dueTimesOf(broker), [third, second, first])
      assert.equal((await broker.runs('digest'))[0]?.firedAtMs, clock.now())
      await clock.advance(EVERY_MS)
      await broker.setSchedules([set('digest', { definition: '{"a":2}', dueAtMs: second, stampMs: 2 })])
      assert.deepEqual(await dueTimesOf(broker), [first])
      await clock.advance(EVERY_MS)
      await broker.fire(ticksAt([second], { revision: 2, job: { task: 'another' } }))
      assert.deepEqual(await dueTimesOf(broker), [second, first])
    },
  },
  {
    name: 'the runs of a schedule go with it, and stay when it is changed',
    async run({ broker, clock }) {
      const startMs = clock.now()
      await broker.setSchedules([set('digest', { dueAtMs: startMs })])
      await broker.fire([overlapTick(startMs, 0, undefined)])
      const byHand = { schedule: 'digest', revision: 1, dueAtMs: null, nextDueAtMs: null, job: job('by-hand') }
      await broker.fire([byHand])
      await broker.setSchedules([set('digest', { definition: '{"a":2}', dueAtMs: startMs + 60_000, stampMs: 2 })])
      assert.equal((await broker.runs('digest')).length, 2)
      await broker.setSchedules([remove('digest', 3)])
      assert.deepEqual(await broker.runs('digest'), [])
      await broker.setSchedules([set('digest', { dueAtMs: startMs, incarnation: 'i2', stampMs: 4 })])
      assert.deepEqual(await broker.runs('digest'), [])
      const again = overlapTick(startMs, 0, undefined, { revision: 4, job: job('again') })
      assert.deepEqual(await broker.fire([again]), ['fired'])
      assert.deepEqual(await broker.runs('digest'), [fired(startMs, startMs, 'again')])
    },
  },
]
