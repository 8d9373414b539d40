/** Rules of overlap, from their declaration to what a worker runs. */
import { expect, test } from 'bun:test'
import { createWorker, defineApp, defineTask, InvalidOption, type JobContext } from 'tq-edge'
import { createBeat, deploySchedules, every, fromDefinition, tick, toDefinition } from 'tq-edge/scheduler'
import type { Overlap } from '../../src/schedule.ts'
import { settled } from '../support/clock.ts'
import { appWith, createScene, jobsOf, type Scene, tidy } from './support.ts'

const MINUTE_MS = 60_000
const RULES = ['skip', 'bufferOne', 'bufferAll', 'cancelPrevious'] as const

const minutely = (overlap: Overlap | 'allow' | undefined) => every('minutely', '1m', { task: tidy, overlap })

for (const overlap of RULES)
  test(`"${overlap}" is stored with its schedule, and another process reads it`, () => {
    const definition = toDefinition(minutely(overlap))
    expect(fromDefinition({ name: 'minutely', definition })?.overlap).toBe(overlap)
  })

test('"allow" is the default, and nothing is stored of it', () => {
  expect(toDefinition(minutely('allow'))).toBe(toDefinition(minutely(undefined)))
  expect(toDefinition(minutely('allow'))).not.toContain('overlap')
})

test('a definition with a rule that this version does not know is null, not a guess', () => {
  const definition = toDefinition(minutely('skip')).replace('"skip"', '"queueUp"')
  expect(fromDefinition({ name: 'minutely', definition })).toBeNull()
})

for (const wrong of ['buffer', '', 7, null, true])
  test(`an overlap of ${JSON.stringify(wrong)} is refused where it is declared`, () => {
    expect(() => minutely(wrong as never)).toThrow(InvalidOption)
    expect(() => minutely(wrong as never)).toThrow(
      `expected overlap of "minutely" to be one of "allow", "skip", "bufferOne", "bufferAll", "cancelPrevious", got ${JSON.stringify(wrong)}`,
    )
  })

async function deployed(scene: Scene, overlap: Overlap) {
  const app = appWith(minutely(overlap))
  await deploySchedules({ app, ...scene, stampMs: 1 })
  return app
}

test('a tick that is skipped is told, and the schedule goes on', async () => {
  const scene = createScene()
  const app = await deployed(scene, 'skip')
  for (let minute = 1; minute <= 3; minute++) {
    await scene.clock.advance(MINUTE_MS)
    const { fired, nextAtMs, nowMs } = await tick({ app, ...scene })
    expect([fired, nextAtMs]).toEqual([minute === 1 ? 1 : 0, nowMs + MINUTE_MS])
  }
  const told = scene.events.filter(({ kind }) => kind.startsWith('beat.'))
  expect(told).toEqual([
    expect.objectContaining({ kind: 'beat.fired' }),
    { kind: 'beat.skipped', schedule: 'minutely', dueAtMs: Date.parse('2026-01-05T12:02Z') },
    { kind: 'beat.skipped', schedule: 'minutely', dueAtMs: Date.parse('2026-01-05T12:03Z') },
  ])
})

test('a schedule with a rule of overlap is not looked ahead, the others are', async () => {
  const scene = createScene()
  const others = every('others', '1m', { task: tidy })
  const app = appWith(minutely('bufferAll'), others)
  await deploySchedules({ app, ...scene, stampMs: 1 })
  await scene.clock.advance(MINUTE_MS)
  const { fired } = await tick({ app, ...scene, aheadMs: 5 * MINUTE_MS })
  expect(fired).toBe(7)
  expect((await jobsOf(scene.broker)).filter(({ tick }) => tick?.schedule === 'minutely')).toHaveLength(1)
})

test('what was missed and is caught up with, each due time a job, obeys the rule as well', async () => {
  const scene = createScene()
  const app = appWith(every('minutely', '1m', { task: tidy, overlap: 'bufferAll', catchUp: 'all' }))
  await deploySchedules({ app, ...scene, stampMs: 1 })
  await scene.clock.advance(4 * MINUTE_MS)
  expect((await tick({ app, ...scene })).fired).toBe(4)
  const states = (await jobsOf(scene.broker)).map(({ state }) => state).sort()
  expect(states).toEqual(['blocked', 'blocked', 'blocked', 'queued'])
})

/** Lets a beat and a worker run for some minutes, on jobs that last until they are told to end. */
async function runFor(minutes: number, overlap: Overlap) {
  const scene = createScene()
  const { clock, broker } = scene
  const started: JobContext[] = []
  const ends: (() => void)[] = []
  const long = defineTask({
    name: 'long',
    run: (_, job) => {
      started.push(job)
      return new Promise<void>((resolve, reject) => {
        ends.push(resolve)
        job.signal.addEventListener('abort', () => reject(job.signal.reason))
      })
    },
  })
  const app = defineApp({ tasks: [long], schedules: [every('minutely', '1m', { task: long, overlap })] })
  const beat = createBeat({ app, ...scene, stampMs: 1 })
  const worker = createWorker({ app, broker, clock, random: scene.random, concurrency: 5 })
  const running = [beat.run(), worker.run()]
  const pass = async (ms: number) => {
    for (let passedMs = 0; passedMs < ms; passedMs += 1_000) {
      await clock.advance(1_000)
      await settled()
    }
  }
  await pass(minutes * MINUTE_MS + 30_000)
  return {
    started,
    ends,
    pass,
    async stop() {
      beat.stop()
      for (const end of ends) end()
      worker.stop()
      await pass(1_000)
      for (const end of ends) end()
      await Promise.all(running)
    },
  }
}

test('cancelPrevious: the signal of the one that runs is aborted, and the next one runs', async () => {
  const { started, stop } = await runFor(3, 'cancelPrevious')
  expect(started.map(({ signal }) => signal.aborted)).toEqual([true, true, false])
  expect(started[0]?.signal.reason).toMatchObject({ name: 'JobAborted', reason: 'cancelled' })
  await stop()
})

test('bufferAll: they run one after the other, each at once after the one before it', async () => {
  const { started, ends, pass, stop } = await runFor(3, 'bufferAll')
  expect(started).toHaveLength(1)
  ends[0]?.()
  await settled()
  expect(started).toHaveLength(2)
  await pass(1_000)
  ends[1]?.()
  await settled()
  expect(started.map((job) => job.tick?.dueAtMs)).toEqual(
    ['12:01', '12:02', '12:03'].map((time) => Date.parse(`2026-01-05T${time}Z`)),
  )
  await stop()
})
