import { expect, test } from 'bun:test'
import { tracingChannel } from 'node:diagnostics_channel'
import { createClient } from '@redis/client'
import { completeTracingChannels } from '../../../../adapters/gateway/redis/tracing.ts'

test('a tracing channel says whether anybody listens to one of its five events', () => {
  completeTracingChannels()
  const channel = tracingChannel('tq:test')
  const other = tracingChannel('tq:other')
  expect(channel.hasSubscribers).toBe(false)
  for (const event of ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const) {
    const listener = () => {}
    channel[event].subscribe(listener)
    expect([event, channel.hasSubscribers, other.hasSubscribers]).toEqual([event, true, false])
    channel[event].unsubscribe(listener)
  }
  expect(channel.hasSubscribers).toBe(false)
})

test('the client library makes traces for whoever listens, and none for nobody', async () => {
  completeTracingChannels()
  const client = createClient({ url: 'redis://127.0.0.1:1' })
  let traces = 0
  // The library reads the command's name for a trace, or to send it, which it does not: it is not connected.
  const name = {
    toString() {
      traces++
      return 'get'
    },
  } as unknown as string
  const send = () => client.sendCommand([name, 'a']).catch(() => {})
  await send()
  expect(traces).toBe(0)
  const { start } = tracingChannel('node-redis:command')
  const told: unknown[] = []
  const listener = (trace: unknown) => told.push((trace as { command: string }).command)
  start.subscribe(listener)
  await send()
  start.unsubscribe(listener)
  await send()
  expect(told).toEqual(['GET'])
})
