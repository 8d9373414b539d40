/** Hints over a stream that ends, dies without a word, or is not to be had. Sockets are real, time is virtual. */
import { afterEach, expect, test } from 'bun:test'
import { createWake } from '../../../../adapters/brokers/redis/wake.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { eventually, TOKEN } from './support.ts'

const CHANNEL = '{tq}:wake'
const CONFIRMED = `data: subscribe,${CHANNEL},1\n\n`
const PING = ': ping\n\n'
const name = (...waiters: string[]) => `data: message,${CHANNEL},${waiters.join(' ')}\n\n`

interface ServedStream {
  send(text: string): void
  end(): void
  isOpen(): boolean
}

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** A server of streams that says what the test has it say, and a wake that listens to it. */
function setUp({ confirms = true, workers = 1 }: { confirms?: boolean; workers?: number } = {}) {
  const streams: ServedStream[] = []
  const server = { refuses: false, asked: 0 }
  const http = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    fetch(request) {
      server.asked++
      expect(request.headers.get('authorization')).toBe(`Bearer ${TOKEN}`)
      expect(new URL(request.url).pathname).toBe(`/subscribe/${encodeURIComponent(CHANNEL)}`)
      if (server.refuses) return new Response('', { status: 503 })
      let isOpen = true
      request.signal.addEventListener('abort', () => {
        isOpen = false
      })
      const body = new ReadableStream({
        start(controller) {
          const send = (text: string) => controller.enqueue(new TextEncoder().encode(text))
          streams.push({ send, isOpen: () => isOpen, end: () => controller.close() })
          if (confirms) send(CONFIRMED)
        },
      })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    },
  })
  const clock = createVirtualClock()
  const named: string[] = []
  const kinds: (string | undefined)[] = []
  const heard: Record<string, number> = { a: 0, b: 0 }
  const wake = createWake({
    url: `http://127.0.0.1:${http.port}`,
    token: TOKEN,
    channel: CHANNEL,
    clock,
    onOpened: () => {},
    random: () => 1,
    onHint: (waiter) => named.push(waiter),
    workers: () => workers,
  })
  ends.push(
    () => wake.close(),
    () => http.stop(true),
  )
  const listen = (waiter: 'a' | 'b') =>
    wake.listen(waiter, (kind) => {
      kinds.push(kind)
      heard[waiter] = (heard[waiter] ?? 0) + 1
    })
  /** Lets the stream say something, and returns once it has been heard. */
  const say = async (at: number, text: string) => {
    const before = heard.a ?? 0
    streams[at]?.send(text + name('a'))
    await eventually(() => (heard.a ?? 0) > before)
  }
  return { clock, server, streams, heard, named, kinds, listen, say }
}

test('those who are named hear of it, and nobody else', async () => {
  const { streams, heard, listen } = setUp()
  await listen('a')
  await listen('b')
  streams[0]?.send(name('b', 'somebody-else', 'b'))
  await eventually(() => heard.b === 2)
  expect(heard).toEqual({ a: 0, b: 2 })
  expect(streams.length).toBe(1)
})

test('a second confirmation on a live stream says that something may be missing: everybody looks', async () => {
  const { streams, heard, named, kinds, listen } = setUp()
  await listen('a')
  await listen('b')
  streams[0]?.send(CONFIRMED)
  await eventually(() => heard.b === 1)
  expect(heard).toEqual({ a: 1, b: 1 })
  expect([named, kinds]).toEqual([[], ['look', 'look']])
  expect(streams.length).toBe(1)
})

test('a stream whose heartbeat has stopped is given up: everybody looks, and another one is opened', async () => {
  const { clock, streams, heard, listen, say } = setUp()
  await listen('a')
  await listen('b')
  await say(0, PING)
  await clock.advance(15_000)
  await say(0, PING)
  await clock.advance(37_000)
  expect([streams.length, heard.b]).toEqual([1, 0])
  await clock.advance(500)
  await eventually(() => heard.b === 1)
  await eventually(() => streams[0]?.isOpen() === false)
  await clock.advance(250)
  await eventually(() => streams.length === 2 && heard.b === 2)
  const before = heard.a as number
  streams[1]?.send(name('a'))
  await eventually(() => heard.a === before + 1)
})

test('a stream without a heartbeat is not given up for its silence', async () => {
  const { clock, streams, heard, listen, say } = setUp()
  await listen('a')
  await listen('b')
  await say(0, PING)
  await clock.advance(200_000)
  expect([streams.length, heard.b]).toEqual([1, 0])
})

test('a stream is opened anew before it gets old, and the old one goes once the new one is confirmed', async () => {
  const { clock, streams, heard, listen } = setUp()
  await listen('a')
  await clock.advance(240_000)
  await eventually(() => heard.a === 1)
  expect(streams.length).toBe(2)
  await eventually(() => streams[0]?.isOpen() === false)
  expect(streams[1]?.isOpen()).toBe(true)
})

test('without a stream everybody looks now and then, after pauses that grow, until there is one again', async () => {
  const { clock, server, streams, heard, listen } = setUp()
  await listen('a')
  server.refuses = true
  streams[0]?.end()
  await eventually(() => heard.a === 1)
  for (const [at, pauseMs] of [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000].entries()) {
    await clock.advance(pauseMs - 1)
    expect(heard.a).toBe(at + 1)
    await clock.advance(1)
    await eventually(() => heard.a === at + 2)
  }
  server.refuses = false
  await clock.advance(5_000)
  await eventually(() => heard.a === 9)
  expect(streams.length).toBe(2)
  await clock.advance(200_000)
  expect(heard.a).toBe(9)
})

test('the more workers have no stream, the less often each of them looks, but once in half a minute', async () => {
  const { clock, server, streams, heard, listen } = setUp({ workers: 100 })
  await listen('a')
  server.refuses = true
  streams[0]?.end()
  await eventually(() => heard.a === 1)
  for (const [at, pauseMs] of [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].entries()) {
    await clock.advance(pauseMs - 1)
    expect(heard.a).toBe(at + 1)
    await clock.advance(1)
    await eventually(() => heard.a === at + 2)
  }
})

test('whoever listens while there are no streams at all is served by looks, and by the stream once there is one', async () => {
  const { clock, server, streams, heard, listen } = setUp()
  server.refuses = true
  await listen('a')
  const before = heard.a as number
  await clock.advance(250)
  await eventually(() => (heard.a as number) > before)
  server.refuses = false
  await clock.advance(500)
  await eventually(() => streams.length === 1)
  const looks = heard.a as number
  await eventually(() => (heard.a as number) >= looks)
  streams[0]?.send(name('a'))
  await eventually(() => (heard.a as number) > looks)
})

test('a stream that is not confirmed in time is none', async () => {
  const { clock, streams, heard, listen } = setUp({ confirms: false })
  let isListening = false
  const listening = listen('a').then(() => {
    isListening = true
  })
  await eventually(() => streams.length === 1)
  await clock.advance(4_999)
  expect(isListening).toBe(false)
  await clock.advance(1)
  await listening
  await eventually(() => heard.a === 1)
})

test('where no stream could be opened the next one who listens waits for none, and looks once there is one', async () => {
  const { clock, server, streams, heard, listen } = setUp()
  server.refuses = true
  ;(await listen('a'))()
  server.refuses = false
  const { asked } = server
  const before = heard.a as number
  await listen('a')
  expect([server.asked, streams.length]).toEqual([asked, 0])
  await eventually(() => heard.a === before + 1)
  expect(streams.length).toBe(1)
  await clock.advance(1_000)
  expect(heard.a).toBe(before + 1)
})

test('a stream that dies before it could show a heartbeat is given up by the heartbeat of the one before', async () => {
  const { clock, streams, heard, listen, say } = setUp()
  await listen('a')
  await say(0, PING)
  await clock.advance(15_000)
  await say(0, PING)
  streams[0]?.end()
  await eventually(() => heard.a === 3)
  await clock.advance(250)
  await eventually(() => streams.length === 2 && heard.a === 4)
  await clock.advance(37_499)
  expect([streams.length, heard.a]).toEqual([2, 4])
  await clock.advance(1)
  await eventually(() => heard.a === 5)
  await clock.advance(250)
  await eventually(() => streams.length === 3)
})

test('the last one to leave takes the stream with it', async () => {
  const { clock, server, streams, listen } = setUp()
  const [leaveA, leaveB] = [await listen('a'), await listen('b')]
  leaveA()
  expect(streams[0]?.isOpen()).toBe(true)
  leaveB()
  await eventually(() => streams[0]?.isOpen() === false)
  await clock.advance(600_000)
  expect(server.asked).toBe(1)
})
