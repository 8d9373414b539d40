/** A stream of events on a runtime whose `fetch`, once answered, hears of no abort any more: Deno's at times. */
import { afterEach, expect, spyOn, test } from 'bun:test'
import { openStream } from '../../../../adapters/brokers/redis/stream.ts'
import { createVirtualClock } from '../../../support/clock.ts'

const fetching = spyOn(globalThis, 'fetch')
afterEach(() => fetching.mockRestore())

test('a stream that is closed ends, and lets go of its connection', async () => {
  let cancelled = false
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode('data: subscribe,wake,1\n\n')),
    cancel: () => {
      cancelled = true
    },
  })
  fetching.mockImplementation((async () => new Response(body)) as unknown as typeof fetch)
  const nothing = () => {}
  const stream = await openStream({
    url: 'http://redis.example',
    token: 'a-token',
    channel: 'wake',
    clock: createVirtualClock(),
    heartbeat: {},
    onMessage: nothing,
    onMissed: nothing,
  })
  stream.close()
  await stream.ended
  expect(cancelled).toBe(true)
})
