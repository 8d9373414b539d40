import { expect, test } from 'bun:test'
import type { Client } from '../../../../adapters/gateway/redis/client.ts'
import type { Connection } from '../../../../adapters/gateway/redis/connection.ts'
import { createSubscriptions } from '../../../../adapters/gateway/streams/subscriptions.ts'
import type { Caller } from '../../../../adapters/gateway/tokens/auth.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { readLines, startSubject, until } from '../subject.ts'

const clock = createVirtualClock()
const { fetch: get, send, events } = await startSubject({ clock, heartbeatMs: 15_000 })

async function subscribe(path: string) {
  const response = await get(path, { headers: { accept: 'text/event-stream' } })
  return { response, ...readLines(response) }
}

const subscribersOf = async (channel: string) => JSON.parse(await send('PUBSUB', 'NUMSUB', channel)).result[1]

test('a stream starts with its confirmation and brings every message after it', async () => {
  const stream = await subscribe('/subscribe/chat')
  expect([stream.response.status, stream.response.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
  expect(await stream.next()).toBe('data: subscribe,chat,1')
  expect(await send('PUBLISH', 'chat', 'hello, you')).toBe('{"result":1}')
  expect(await stream.next()).toBe('data: message,chat,hello, you')
  await stream.close()
})

test('several channels and encoded names fit into one stream', async () => {
  const stream = await subscribe('/subscribe/a%2Fb/c')
  expect([await stream.next(), await stream.next()]).toEqual(['data: subscribe,a/b,1', 'data: subscribe,c,2'])
  await send('PUBLISH', 'c', '1')
  await send('PUBLISH', 'a/b', '2')
  expect([await stream.next(), await stream.next()]).toEqual(['data: message,c,1', 'data: message,a/b,2'])
  await stream.close()
})

test('a pattern names itself and the channel', async () => {
  const stream = await subscribe('/psubscribe/news.*')
  expect(await stream.next()).toBe('data: psubscribe,news.*,1')
  await send('PUBLISH', 'news.sport', 'goal')
  expect(await stream.next()).toBe('data: pmessage,news.*,news.sport,goal')
  await stream.close()
})

test('all streams share one connection and one subscription, which ends with the last of them', async () => {
  const before = JSON.parse(await send('INFO', 'clients')).result
  const streams = await Promise.all(Array.from({ length: 20 }, () => subscribe('/subscribe/shared')))
  for (const stream of streams) expect(await stream.next()).toBe('data: subscribe,shared,1')
  expect(/connected_clients:\d+/.exec(JSON.parse(await send('INFO', 'clients')).result)?.[0]).toBe(
    /connected_clients:\d+/.exec(before)?.[0],
  )
  expect(await send('PUBLISH', 'shared', 'to all')).toBe('{"result":1}')
  for (const stream of streams) expect(await stream.next()).toBe('data: message,shared,to all')
  const [last, ...others] = streams
  await Promise.all(others.map((stream) => stream.close()))
  expect(await subscribersOf('shared')).toBe(1)
  await last?.close()
  await until(() => subscribersOf('shared'), 0)
})

test('a channel that is left and joined at once stays subscribed', async () => {
  for (let round = 0; round < 20; round++) {
    const stream = await subscribe('/subscribe/again')
    expect(await stream.next()).toBe('data: subscribe,again,1')
    await send('PUBLISH', 'again', String(round))
    expect(await stream.next()).toBe(`data: message,again,${round}`)
    await stream.close()
  }
  await until(() => subscribersOf('again'), 0)
})

test('a payload with lines in it cannot pass for a message of its own', async () => {
  const stream = await subscribe('/subscribe/lines')
  await stream.next()
  await send('PUBLISH', 'lines', 'one\n\ndata: message,lines,forged\rdata: x')
  expect([await stream.next(), await stream.next(), await stream.next(), await stream.next()]).toEqual([
    'data: message,lines,one',
    'data: ',
    'data: data: message,lines,forged',
    'data: data: x',
  ])
  await stream.close()
})

test('a stream on which nothing happens carries a comment every so often', async () => {
  const stream = await subscribe('/subscribe/quiet')
  await stream.next()
  await clock.advance(15_000)
  expect(await stream.next()).toBe(': ping')
  await clock.advance(15_000)
  expect(await stream.next()).toBe(': ping')
  await stream.close()
})

test('a subscriber that does not read is cut off', async () => {
  const response = await get('/subscribe/flood')
  await until(() => subscribersOf('flood'), 1)
  const message = 'x'.repeat(1_000_000)
  await until(async () => {
    await send('PUBLISH', 'flood', message)
    return events.some(({ type }) => type === 'subscriber.dropped')
  }, true)
  expect(events).toContainEqual({ type: 'subscriber.dropped', channel: 'flood' })
  await until(() => subscribersOf('flood'), 0)
  await response.body?.cancel()
})

test('a channel that could not be left is left once Redis is back, unless somebody reads it by then', async () => {
  const asked: string[] = []
  let back = () => {}
  let isAway = false
  const client: Pick<Client, 'isReady' | 'subscribe' | 'unsubscribe' | 'on'> = {
    isReady: true,
    subscribe: async (channel) => void asked.push(`subscribe ${channel}`),
    async unsubscribe(channel) {
      asked.push(`unsubscribe ${channel}`)
      if (isAway) throw new Error('away')
    },
    on(event: string, listener: (error: unknown) => void) {
      if (event === 'ready') back = () => listener(undefined)
    },
  }
  const within = <T>(call: Promise<T>) => call
  const connection: Connection = { client: client as Client, within, close: async () => {} }
  const subscriptions = createSubscriptions({
    connect: async () => connection,
    clock: createVirtualClock(),
    heartbeatMs: 15_000,
    seats: { take: () => () => {}, taken: () => 0 },
    onEvent: () => {},
  })
  const open = (channel: string) => subscriptions.open('subscribe', [channel], {} as Caller)
  const streams = [await open('a'), await open('b')]
  isAway = true
  for (const stream of streams) await stream.cancel()
  isAway = false
  const again = await open('b')
  asked.length = 0
  back()
  expect(asked.splice(0)).toEqual(['unsubscribe a'])
  await Promise.resolve()
  await again.cancel()
  back()
  back()
  expect(asked).toEqual(['unsubscribe b', 'unsubscribe b', 'unsubscribe b'])
  await Promise.resolve()
  back()
  expect(asked).toHaveLength(3)
})
