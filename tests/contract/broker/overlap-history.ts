/** Whatever happens to the jobs of schedules with a rule of overlap: never two of one run, none waits for nobody, none is lost. */
import assert from 'node:assert/strict'
import type { Broker, ClaimedJob, Settlement } from '../../../src/broker.ts'
import { isFinished, type JobState } from '../../../src/words.ts'
import type { VirtualClock } from '../../support/clock.ts'
import { seededRandom } from '../../support/random.ts'
import type { Case } from '../subject.ts'
import { cancelled, fail, LEASE_MS, lane, release, retryIn, succeed } from '../verbs.ts'
import { overlapTick } from './overlap.ts'
import { set } from './schedules.ts'

const RULES = ['skip', 'bufferOne', 'bufferAll'] as const
type Rule = (typeof RULES)[number]

const STEPS = 150

/** A store, its lanes with what they hold, and the jobs of each schedule that were made, in due order. */
async function createHistory(broker: Broker, clock: VirtualClock, seed: number) {
  const random = seededRandom(seed)
  const startMs = clock.now()
  const below = (n: number) => Math.floor(random() * n)
  const pick = <T>(list: readonly T[]): T | undefined => list[below(list.length)]
  const lanes = ['a', 'b'].map((name) => ({ by: lane(broker, `${name}.${seed}.0`), held: [] as ClaimedJob[] }))
  const made = new Map<Rule, string[]>(RULES.map((rule) => [rule, []]))
  const removed = new Set<string>()
  const ticks = new Map<Rule, number>(RULES.map((rule) => [rule, 0]))
  await broker.setSchedules(RULES.map((rule) => set(`${rule}-${seed}`, { dueAtMs: startMs })))

  async function fire(rule: Rule, count: number): Promise<void> {
    const first = ticks.get(rule) ?? 0
    const call = Array.from({ length: count }, (_, n) =>
      overlapTick(startMs, first + n, rule, { schedule: `${rule}-${seed}` }),
    )
    ticks.set(rule, first + count)
    const outcomes = await broker.fire(call)
    if (rule === 'bufferAll') assert.deepEqual(outcomes, Array(count).fill('fired'))
    for (const [at, outcome] of outcomes.entries()) {
      assert.match(outcome, /^(fired|skipped)$/)
      if (outcome === 'fired') made.get(rule)?.push(call[at]?.job?.id ?? '')
    }
  }

  const someJob = () => pick(made.get(pick(RULES) as Rule)?.slice(-4) ?? [])

  function settlementOf(held: ClaimedJob): Settlement {
    const ways = [succeed, succeed, fail, cancelled, release, (one: ClaimedJob) => retryIn(one, below(20_000))]
    return (pick(ways) as (one: ClaimedJob) => Settlement)(held)
  }

  /** One thing that may happen. */
  async function step(): Promise<void> {
    const { by, held } = pick(lanes) as (typeof lanes)[number]
    const id = someJob()
    const what = below(10)
    if (what < 3) await fire(pick(RULES) as Rule, 1 + below(3))
    else if (what < 5) held.push(...(await by.claim(1 + below(3))))
    else if (what < 8 && held.length > 0) {
      const settle = held.splice(0, 1 + below(2)).map(settlementOf)
      held.push(...(await by.claim(below(3), { settle })))
    } else if (what === 8) await clock.advance(below(1.5 * LEASE_MS))
    else if (id !== undefined && random() < 0.5) await broker.cancel([id])
    else if (id !== undefined && (await broker.remove([id]))[0] === 'removed') removed.add(id)
  }

  /** Of those that have not finished; the others are there as well, unless they were removed. */
  async function statesOf(rule: Rule): Promise<JobState[]> {
    const ids = made.get(rule) ?? []
    const records = await broker.get(ids)
    const lost = ids.filter((id, at) => records[at] === null && !removed.has(id))
    assert.deepEqual(lost, [], `${rule}, seed ${seed}: lost`)
    return records.flatMap((record) => (record === null || isFinished(record.state) ? [] : record.state))
  }

  return {
    step,
    /** Those that have not finished: the first of them in due order runs or may run, all others are blocked. */
    async check(): Promise<void> {
      for (const rule of RULES) {
        const states = await statesOf(rule)
        const [first, ...others] = states
        const told = `${rule}, seed ${seed}: ${states}`
        assert.notEqual(first, 'blocked', told)
        assert.ok(
          others.every((state) => state === 'blocked'),
          told,
        )
        if (rule !== 'bufferAll') assert.ok(others.length <= (rule === 'skip' ? 0 : 1), told)
      }
    },
    /** Runs all that is left. */
    async drain(): Promise<void> {
      const by = lane(broker, `last.${seed}.0`)
      let left = 1
      for (let round = 0; left > 0; round++) {
        assert.ok(round < 1_000, `jobs are left over with seed ${seed}`)
        const held = await by.claim(10)
        await by.settle(...held.map((one) => succeed(one)))
        if (held.length === 0) await clock.advance(LEASE_MS)
        left = (await Promise.all(RULES.map(statesOf))).flat().length
      }
    },
  }
}

export const overlapHistoryCases: readonly Case[] = [1, 2, 3, 4].map((seed) => ({
  name: `whatever happens to them, the jobs of a schedule run one at a time, and none waits for nobody (${seed})`,
  async run({ broker, clock }) {
    const history = await createHistory(broker, clock, seed)
    for (let step = 0; step < STEPS; step++) {
      await history.step()
      await history.check()
    }
    await history.drain()
  },
}))
