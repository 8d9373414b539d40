/** How a beat learns of what others have changed. */
import { expect, test } from 'bun:test'
import { type Beat, createBeat, deploySchedules, every, tick } from 'tq-edge/scheduler'
import { type Broker, beatsOf } from '../../src/broker.ts'
import { settled } from '../support/clock.ts'
import { appWith, createScene, type Scene, ticksOf, tidy } from './support.ts'

const often = every('often', '1s', { task: tidy })

interface Watched {
  readonly beat: Beat
  readonly running: Promise<void>
  looks(): number
}

/** A beat without a schedule of its own, and how often it has looked. */
function watch(scene: Scene, given: Partial<Broker> = {}): Watched {
  let looks = 0
  const broker: Broker = {
    ...scene.broker,
    schedules: (query) => {
      looks++
      return scene.broker.schedules(query)
    },
    ...given,
  }
  const beat = createBeat({ app: appWith(), stampMs: 1, ...scene, broker })
  return { beat, running: beat.run(), looks: () => looks }
}

const deployOften = (scene: Scene) => deploySchedules({ app: appWith(often), stampMs: 2, ...scene })

/** A beat's deploy and first look are over, and it rests. */
async function rested(scene: Scene): Promise<void> {
  await scene.clock.advance(10_000)
}

async function stop({ beat, running }: Watched): Promise<void> {
  beat.stop()
  await running
}

test('every beat learns of a change at once and fires the first due time that follows', async () => {
  const scene = createScene()
  const beats = [watch(scene), watch(scene)]
  await rested(scene)
  await deployOften(scene)
  await scene.clock.advance(1_000)
  expect(await ticksOf(scene.broker)).toMatchObject([{ lateMs: 0 }])
  for (const one of beats) await stop(one)
})

test('a change that comes while a look is under way is seen by another one', async () => {
  const scene = createScene()
  const held = Promise.withResolvers<void>()
  let hold = false
  const watched = watch(scene, {
    async schedules(query) {
      const page = await scene.broker.schedules(query)
      if (hold) await held.promise
      return page
    },
  })
  await rested(scene)
  hold = true
  await scene.clock.advance(80_000)
  hold = false
  await deployOften(scene)
  held.resolve()
  await scene.clock.advance(1_000)
  expect(await ticksOf(scene.broker)).toMatchObject([{ lateMs: 0 }])
  await stop(watched)
})

test('a thousand changes in ten seconds bring about two looks a second', async () => {
  const scene = createScene()
  const watched = watch(scene)
  await rested(scene)
  const before = watched.looks()
  for (let at = 0; at < 1_000; at++) {
    const definition = JSON.stringify({ at })
    const change = { kind: 'set', name: 'far', app: 'shop', definition, incarnation: 'i', stampMs: 1 } as const
    await scene.broker.setSchedules([{ ...change, dueAtMs: scene.clock.now() + 86_400_000 }])
    await scene.clock.advance(10)
  }
  await scene.clock.advance(1_000)
  expect(watched.looks() - before).toBeLessThanOrEqual(21)
  await stop(watched)
})

/** Hints as a broker gives them that a test can make. */
function createWake() {
  const listeners = new Set<(kind?: 'look') => void>()
  const names: string[] = []
  const wake: NonNullable<Broker['wake']> = {
    async listen(waiter, onHint) {
      names.push(waiter)
      listeners.add(onHint)
      return () => void listeners.delete(onHint)
    },
  }
  const hint = (kind?: 'look') => {
    for (const listener of listeners) listener(kind)
  }
  return { wake, hint, names, listeners }
}

test('a beat that is hinted looks every 80 seconds, and at once where hints may have been missed', async () => {
  const scene = createScene()
  const { wake, hint, names } = createWake()
  const watched = watch(scene, { wake })
  await rested(scene)
  const before = watched.looks()
  await scene.clock.advance(240_000)
  expect(watched.looks() - before).toBe(3)
  hint('look')
  await settled()
  expect(watched.looks() - before).toBe(4)
  expect(names).toEqual([beatsOf('shop')])
  await stop(watched)
})

test('a broker whose hints stay away asks for looks all the time, and a beat looks no more often than without', async () => {
  const scene = createScene()
  const { wake, hint } = createWake()
  const watched = watch(scene, { wake })
  await rested(scene)
  const before = watched.looks()
  for (let at = 0; at < 300; at++) {
    hint('look')
    await scene.clock.advance(2_000)
  }
  // Some more until its pauses have grown to 30 seconds.
  expect(watched.looks() - before).toBeGreaterThanOrEqual(20)
  expect(watched.looks() - before).toBeLessThanOrEqual(26)
  await stop(watched)
})

test('a change that comes before hints can arrive is seen once they can', async () => {
  const scene = createScene()
  const { wake } = createWake()
  const late = Promise.withResolvers<void>()
  const slow = { listen: (...args: Parameters<typeof wake.listen>) => late.promise.then(() => wake.listen(...args)) }
  const watched = watch(scene, { wake: slow })
  await rested(scene)
  await deployOften(scene)
  late.resolve()
  await scene.clock.advance(1_000)
  expect(await ticksOf(scene.broker)).toMatchObject([{ lateMs: 0 }])
  await stop(watched)
})

test('a beat whose broker cannot give hints says so and goes on looking', async () => {
  const scene = createScene()
  const watched = watch(scene, { wake: { listen: () => Promise.reject(new Error('no stream')) } })
  await rested(scene)
  await deployOften(scene)
  await scene.clock.advance(31_000)
  expect((await ticksOf(scene.broker)).length).toBeGreaterThan(0)
  expect(scene.events).toContainEqual({ kind: 'broker.failed', call: 'listen', reason: 'no stream' })
  await stop(watched)
})

test('a beat that stops hears no more hints, also when they can arrive only then', async () => {
  const scene = createScene()
  const { wake, listeners } = createWake()
  const late = Promise.withResolvers<void>()
  const slow = { listen: (...args: Parameters<typeof wake.listen>) => late.promise.then(() => wake.listen(...args)) }
  const [one, other] = [watch(scene, { wake }), watch(scene, { wake: slow })]
  await rested(scene)
  expect(listeners.size).toBe(1)
  await stop(one)
  await stop(other)
  late.resolve()
  await settled()
  expect(listeners.size).toBe(0)
})

test('a single pass does not listen', async () => {
  const scene = createScene()
  const { wake, names } = createWake()
  await tick({ app: appWith(often), ...scene, broker: { ...scene.broker, wake } })
  expect(names).toEqual([])
})
