import { expect, spyOn, test } from 'bun:test'
import { listen } from '../../../adapters/runtimes/listen.ts'
import { systemClock } from '../../../src/clock.ts'

test('a server that is closed leaves no timer behind', async () => {
  const { after } = systemClock
  let timers = 0
  const spy = spyOn(systemClock, 'after').mockImplementation((delayMs, run) => {
    timers++
    const cancel = after(delayMs, run)
    return () => {
      timers--
      cancel()
    }
  })
  const server = await listen(() => new Response('here'), { port: 0 })
  expect(await (await fetch(server.url)).text()).toBe('here')
  await server.close()
  spy.mockRestore()
  expect(timers).toBe(0)
})
