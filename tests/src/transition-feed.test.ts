import { expect, test } from 'bun:test'
import type { Broker, OnHint, Transition, TransitionPage } from '../../src/broker.ts'
import { createTransitionFeed } from '../../src/transition-feed.ts'
import { createVirtualClock, settled } from '../support/clock.ts'

/** A feed on a store far away that tells of what a test puts there, and hints when it says so. */
function setUp() {
  const clock = createVirtualClock()
  const store: Transition[] = []
  const hints = new Map<string, OnHint>()
  let reads = 0
  const cursorAt = (place: number) => String(place).padStart(4, '0')
  const broker = {
    name: 'far',
    transitions: async ({ after } = {}) => {
      reads++
      const last = cursorAt(store.length)
      const isForeign = after !== undefined && after > last
      const transitions = after === undefined ? [] : store.filter(({ cursor }) => isForeign || cursor > after)
      return { transitions, cursor: last, more: false, ...(isForeign ? { gap: true } : {}) }
    },
    wake: {
      listen: async (waiter, onHint) => {
        hints.set(waiter, onHint)
        return () => void hints.delete(waiter)
      },
    },
  } as Partial<Broker> as Broker
  return {
    clock,
    store,
    hints,
    feed: createTransitionFeed(broker, { clock, random: () => 0.5, deadlineMs: 1_000 }),
    put(id: string) {
      const cursor = cursorAt(store.length + 1)
      store.push({ cursor, atMs: clock.now(), id, task: 't', queue: 'q', state: 'queued', attempts: 0 })
    },
    takeReads() {
      const taken = reads
      reads = 0
      return taken
    },
  }
}

function collect() {
  const told: string[] = []
  const stop = new AbortController()
  const tell = ({ transitions, gap }: TransitionPage) => {
    told.push(...(gap ? ['gap'] : []), ...transitions.map(({ id }) => id))
  }
  return { told, tell, stop }
}

test('a hint has it look at once, and many of them no more often than four times a second', async () => {
  const { clock, hints, feed, put, takeReads } = setUp()
  const { told, tell, stop } = collect()
  void (await feed.open()).run(tell, stop.signal)
  await clock.advance(60_000)
  takeReads()
  put('a')
  hints.get('events')?.()
  await clock.advance(0)
  expect([told, takeReads()]).toEqual([['a'], 1])
  for (let at = 0; at < 100; at++) {
    hints.get('events')?.()
    await clock.advance(10)
  }
  expect(takeReads()).toBeLessThanOrEqual(4)
  stop.abort()
  await settled()
  expect(hints.size).toBe(0)
})

test('whoever comes with an older cursor hears all of it once, and the others nothing again', async () => {
  const { clock, feed, put } = setUp()
  const [late, early] = [collect(), collect()]
  for (const id of ['a', 'b', 'c']) put(id)
  void (await feed.open('0002')).run(early.tell, early.stop.signal)
  await clock.advance(1_000)
  put('d')
  void (await feed.open('0001')).run(late.tell, late.stop.signal)
  await settled()
  put('e')
  await clock.advance(5_000)
  expect(early.told).toEqual(['c', 'd', 'e'])
  expect(late.told).toEqual(['b', 'c', 'd', 'e'])
})

test('a store that was replaced is a gap for all, and asks for no look more', async () => {
  const { clock, store, feed, put, takeReads } = setUp()
  const [before, after] = [collect(), collect()]
  for (const id of ['a', 'b', 'c']) put(id)
  void (await feed.open()).run(before.tell, before.stop.signal)
  await clock.advance(10_000)
  takeReads()
  store.length = 0
  put('new')
  void (await feed.open()).run(after.tell, after.stop.signal)
  await settled()
  expect(takeReads()).toBeLessThanOrEqual(3)
  await clock.advance(5_000)
  put('newer')
  await clock.advance(5_000)
  expect(before.told).toEqual(['gap', 'new', 'newer'])
  expect(after.told.at(-1)).toBe('newer')
})
