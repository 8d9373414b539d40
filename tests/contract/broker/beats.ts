import assert from 'node:assert/strict'
import type { BeatPresence } from '../../../src/broker.ts'
import type { Case } from '../subject.ts'
import { set } from './schedules.ts'

const beat = (name: string, app = 'shop'): BeatPresence => ({ beat: name, app, runtime: 'bun 1.4.5', startedAtMs: 5 })

const MINUTE_MS = 60_000

export const beatCases: readonly Case[] = [
  {
    name: 'a beat that tells of itself with a look is seen, and its look is answered as any other',
    async run({ broker, clock }) {
      await broker.setSchedules([set('digest', { app: 'shop' })])
      assert.deepEqual(await broker.beats(), [])
      const page = await broker.schedules({ due: true, app: 'shop', presence: beat('beat.1') })
      assert.deepEqual(page, await broker.schedules({ due: true, app: 'shop' }))
      assert.deepEqual(await broker.beats(), [{ ...beat('beat.1'), seenAtMs: clock.now(), agoMs: 0 }])
      await clock.advance(MINUTE_MS)
      assert.deepEqual(await broker.beats(), [
        { ...beat('beat.1'), seenAtMs: clock.now() - MINUTE_MS, agoMs: MINUTE_MS },
      ])
    },
  },
  {
    name: 'a beat is seen once, as of when it last told of itself',
    async run({ broker, clock }) {
      for (let minute = 0; minute < 3; minute++) {
        await broker.schedules({ presence: beat('beat.1') })
        await clock.advance(MINUTE_MS)
      }
      assert.deepEqual(await broker.beats(), [
        { ...beat('beat.1'), seenAtMs: clock.now() - MINUTE_MS, agoMs: MINUTE_MS },
      ])
    },
  },
  {
    name: 'beats that have gone are forgotten, but for the last one of each app',
    async run({ broker, clock }) {
      const seen = async () => (await broker.beats()).map(({ beat, app, agoMs }) => [beat, app, agoMs])
      await broker.schedules({ presence: beat('beat.1') })
      await broker.schedules({ presence: beat('pass', 'other') })
      await clock.advance(MINUTE_MS)
      await broker.schedules({ presence: beat('beat.2') })
      assert.deepEqual(await seen(), [
        ['beat.2', 'shop', 0],
        ['beat.1', 'shop', MINUTE_MS],
        ['pass', 'other', MINUTE_MS],
      ])
      await clock.advance(1_000 * MINUTE_MS)
      assert.deepEqual(await seen(), [
        ['beat.2', 'shop', 1_000 * MINUTE_MS],
        ['pass', 'other', 1_001 * MINUTE_MS],
      ])
      await broker.schedules({ presence: beat('beat.3') })
      assert.deepEqual(await seen(), [
        ['beat.3', 'shop', 0],
        ['pass', 'other', 1_001 * MINUTE_MS],
      ])
    },
  },
]
