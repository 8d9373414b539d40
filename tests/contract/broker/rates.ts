/** Rate limits: what is counted, by whom, and what is refused. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Broker } from '../../../src/broker.ts'
import type { RateLeft, RateLimit } from '../../../src/rate.ts'
import type { Case } from '../subject.ts'

const MINUTE_MS = 60_000

const limit = (given: Partial<RateLimit> = {}): RateLimit => ({ key: 'a', calls: 4, windowMs: MINUTE_MS, ...given })

/** What becomes of so many calls, one after another. */
async function call(broker: Broker, times: number, ...limits: RateLimit[]): Promise<boolean[]> {
  const allowed: boolean[] = []
  for (let at = 0; at < times; at++) allowed.push((await broker.countCall(limits)).every((left) => left.allowed))
  return allowed
}

const yes = (times: number): boolean[] => Array(times).fill(true)

export const rateCases: readonly Case[] = [
  {
    name: 'a rate limit allows its calls at once, then one for each share of the window, and says how it stands',
    async run({ broker, clock }) {
      for (const [remaining, moreInMs] of [
        [3, 15_000],
        [2, 15_000],
        [1, 15_000],
        [0, 15_000],
      ])
        assert.deepEqual(await broker.countCall([limit()]), [{ allowed: true, remaining, moreInMs }])
      assert.deepEqual(await broker.countCall([limit()]), [{ allowed: false, remaining: 0, moreInMs: 15_000 }])
      await clock.advance(14_999)
      assert.deepEqual(await broker.countCall([limit()]), [{ allowed: false, remaining: 0, moreInMs: 1 }])
      await clock.advance(1)
      assert.deepEqual(await broker.countCall([limit()]), [{ allowed: true, remaining: 0, moreInMs: 15_000 }])
      await clock.advance(20_000)
      assert.deepEqual(await broker.countCall([limit()]), [{ allowed: true, remaining: 0, moreInMs: 10_000 }])
    },
  },
  {
    name: 'a window without calls later a rate limit allows all of them again',
    async run({ broker, clock }) {
      assert.deepEqual(await call(broker, 5, limit()), [...yes(4), false])
      await clock.advance(MINUTE_MS)
      assert.deepEqual(await call(broker, 5, limit()), [...yes(4), false])
    },
  },
  {
    name: 'each key is counted for itself, and none costs nothing',
    async run({ broker }) {
      assert.deepEqual(await broker.countCall([]), [])
      assert.deepEqual(await call(broker, 5, limit()), [...yes(4), false])
      for (const key of ['b', 'a b', '__proto__', 'é'.repeat(200), '{x}:\n"'])
        assert.deepEqual([key, await call(broker, 5, limit({ key }))], [key, [...yes(4), false]])
    },
  },
  {
    name: 'a call that one of its rate limits refuses counts against none of them',
    async run({ broker }) {
      const [narrow, wide] = [limit({ key: 'narrow', calls: 2 }), limit({ key: 'wide', calls: 10 })]
      assert.deepEqual(await call(broker, 5, narrow, wide), [true, true, false, false, false])
      assert.deepEqual(await broker.countCall([wide, narrow]), [
        { allowed: true, remaining: 8, moreInMs: 6_000 },
        { allowed: false, remaining: 0, moreInMs: 30_000 },
      ])
      assert.deepEqual(await broker.countCall([narrow, limit({ key: 'fresh' })]), [
        { allowed: false, remaining: 0, moreInMs: 30_000 },
        { allowed: true, remaining: 4, moreInMs: 0 },
      ])
      assert.deepEqual(await call(broker, 9, wide), [...yes(8), false])
    },
  },
  {
    name: 'a rate limit that was a wider one, or a clock that is set back, shuts nobody out for longer than the window',
    async run({ broker, clock }) {
      const usedUp = [{ allowed: false, remaining: 0, moreInMs: 15_000 }]
      await call(broker, 4, limit({ windowMs: 60 * MINUTE_MS }))
      assert.deepEqual(await broker.countCall([limit()]), usedUp)
      await call(broker, 4, limit({ key: 'b' }))
      clock.stepWall(-60 * MINUTE_MS)
      assert.deepEqual(await broker.countCall([limit({ key: 'b' })]), usedUp)
    },
  },
  {
    name: 'two brokers on one store count against the same rate limit, also at once',
    needs: 'a second broker',
    async run({ broker, open }) {
      const other = (await open?.()) as Broker
      assert.deepEqual(await call(broker, 1, limit({ calls: 20 })), [true])
      const counted = await Promise.all(
        Array.from({ length: 30 }, (_, at) => (at % 2 ? broker : other).countCall([limit({ calls: 20 })])),
      )
      assert.equal(counted.filter(([left]) => left?.allowed).length, 19)
    },
  },
  {
    name: 'whenever calls come: never more in any stretch of time than the rate limit allows, and never fewer than it could',
    async run({ broker, clock }) {
      let runs = 0
      let refused = 0
      const rates = fc.record({
        calls: fc.integer({ min: 1, max: 12 }),
        windowMs: fc.integer({ min: MINUTE_MS, max: 10 * MINUTE_MS }),
      })
      const waits = fc.array(fc.oneof(fc.constant(0), fc.nat({ max: 100 }), fc.nat({ max: 90_000 })), {
        minLength: 20,
        maxLength: 60,
      })
      const holds = fc.asyncProperty(rates, waits, async (rate, waitsMs) => {
        const key = `run-${runs++}`
        const everyMs = rate.windowMs / rate.calls
        const allowedAt: number[] = []
        let freeAtMs = Number.NEGATIVE_INFINITY
        for (const waitMs of waitsMs) {
          await clock.advance(waitMs)
          const nowMs = clock.now()
          const [left] = (await broker.countCall([{ key, ...rate }])) as [RateLeft]
          assert.equal(left.allowed, nowMs >= freeAtMs)
          freeAtMs = nowMs + (left.remaining === 0 ? left.moreInMs : 0)
          if (left.allowed) allowedAt.push(nowMs)
          else refused++
          assert.ok(allowedAt.every((fromMs, at) => allowedAt.length - at <= rate.calls + (nowMs - fromMs) / everyMs))
        }
      })
      await fc.assert(holds, { seed: 2_026, numRuns: 40 })
      assert.ok(refused > 200, `expected calls to be refused, got ${refused}`)
    },
  },
]
