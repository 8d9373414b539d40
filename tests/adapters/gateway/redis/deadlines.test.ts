import { expect, test } from 'bun:test'
import { createDeadlines } from '../../../../adapters/gateway/redis/deadlines.ts'
import { createVirtualClock } from '../../../support/clock.ts'

function setUp() {
  const clock = createVirtualClock()
  const over: string[] = []
  const deadlines = createDeadlines(clock, 1_000)
  return { clock, over, deadlines, start: (name: string) => deadlines.start(() => over.push(name)) }
}

test('each is over in its own time, one that has ended never', async () => {
  const { clock, over, start } = setUp()
  start('first')
  await clock.advance(400)
  const end = start('second')
  start('third')
  await clock.advance(500)
  end()
  await clock.advance(99)
  expect(over).toEqual([])
  await clock.advance(1)
  expect(over).toEqual(['first'])
  await clock.advance(399)
  expect(over).toEqual(['first'])
  await clock.advance(1)
  expect(over).toEqual(['first', 'third'])
})

test('one timer does for all of them, and none is left when all have ended', () => {
  const clock = createVirtualClock()
  let timers = 0
  const counted = {
    ...clock,
    after(delayMs: number, run: () => void) {
      timers++
      const cancel = clock.after(delayMs, run)
      return () => {
        timers--
        cancel()
      }
    },
  }
  const deadlines = createDeadlines(counted, 1_000)
  const ends = Array.from({ length: 100 }, () => deadlines.start(() => {}))
  expect(timers).toBe(1)
  for (const end of ends) end()
  expect(timers).toBe(0)
  // Once more does nothing.
  for (const end of ends) end()
  deadlines.start(() => {})
  expect(timers).toBe(1)
})

test('they are idle once the last one has ended, or is over', async () => {
  const { clock, deadlines, start } = setUp()
  await deadlines.idle()
  const end = start('first')
  start('second')
  let isIdle = false
  const idle = deadlines.idle().then(() => {
    isIdle = true
  })
  end()
  await Promise.resolve()
  expect(isIdle).toBe(false)
  await clock.advance(1_000)
  await idle
  expect(isIdle).toBe(true)
})

test('one that is started while another is over has its own time', async () => {
  const { clock, over, deadlines, start } = setUp()
  deadlines.start(() => void start('next'))
  await clock.advance(1_000)
  expect(over).toEqual([])
  await clock.advance(1_000)
  expect(over).toEqual(['next'])
})

test('one that is started while another is over puts off none of those between', async () => {
  const { clock, over, deadlines, start } = setUp()
  deadlines.start(() => {
    end()
    start('last')
    start('after it')
  })
  const end = start('ended by it')
  await clock.advance(400)
  start('between')
  await clock.advance(600)
  expect(over).toEqual([])
  await clock.advance(400)
  expect(over).toEqual(['between'])
  await clock.advance(600)
  expect(over).toEqual(['between', 'last', 'after it'])
})

test('one that throws keeps no other from being over', async () => {
  const { clock, over, deadlines, start } = setUp()
  deadlines.start(() => {
    throw new Error('of whoever is told')
  })
  start('next')
  await expect(clock.advance(1_000)).rejects.toThrow('of whoever is told')
  await clock.advance(0)
  expect(over).toEqual(['next'])
})

test('all who wait until they are idle are told', async () => {
  const { deadlines, start } = setUp()
  const end = start('first')
  const idle = [deadlines.idle(), deadlines.idle()]
  end()
  await Promise.all(idle)
})
