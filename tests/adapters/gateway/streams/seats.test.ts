import { expect, test } from 'bun:test'
import { createGatewayToken, type GatewayToken, type GatewayTokens } from '../../../../adapters/gateway/index.ts'
import type { Connection } from '../../../../adapters/gateway/redis/connection.ts'
import { createSeats } from '../../../../adapters/gateway/streams/seats.ts'
import { createSubscriptions } from '../../../../adapters/gateway/streams/subscriptions.ts'
import type { Clock } from '../../../../src/clock.ts'
import { createVirtualClock, settled } from '../../../support/clock.ts'
import { hasRedisServer, readLines, type SseReader, startSubject, TOKEN } from '../subject.ts'

const clock = createVirtualClock()
const caller = { hash: '', rights: 'all', mayReadMetrics: true, expiresAtMs: 1 }
let tokens: GatewayTokens = [TOKEN]
let told = 0
const { fetch: get, send } = await startSubject({
  clock,
  // A deadline of the same clock is for what Redis is asked then.
  heartbeatMs: 1_000_000,
  tokens: () => {
    told++
    return tokens
  },
})

async function open(path: string, rights: Omit<GatewayToken, 'hash'>) {
  const { token, record } = await createGatewayToken(rights)
  tokens = [...tokens, record]
  const stream = readLines(await get(path, { headers: { authorization: `Bearer ${token}` } }))
  await stream.next()
  return { stream, record }
}

/** Reads on to the line that has a text, or to the end. */
async function reads({ next }: SseReader, text?: string): Promise<boolean> {
  let line = await next()
  while (line !== null && (text === undefined || !line.includes(text))) line = await next()
  return line !== null
}

test.each(hasRedisServer ? ['/subscribe/a', '/psubscribe/a*', '/monitor'] : ['/subscribe/a', '/psubscribe/a*'])(
  'a stream at %s ends within five seconds of its token being revoked, and others go on',
  async (path) => {
    const other = await open(path, { all: true })
    const { stream, record } = await open(path, { all: true })
    await clock.advance(5_000)
    tokens = tokens.filter((token) => token !== record)
    await clock.advance(5_000)
    expect(await reads(stream)).toBe(false)
    await send('PUBLISH', 'a', 'still here')
    expect(await reads(other.stream, 'still here')).toBe(true)
    await other.stream.close()
  },
)

test('a stream ends when its token expires, or may do something else from now on', async () => {
  const soon = await open('/subscribe/a', { all: true, expiresAtMs: clock.now() + 7_000 })
  const narrowed = await open('/subscribe/a', { prefixes: ['a'] })
  const same = await open('/subscribe/a', { prefixes: ['a'], name: 'before' })
  tokens = tokens.map((token) => {
    if (token === narrowed.record) return { ...narrowed.record, prefixes: ['b'] }
    return token === same.record ? { ...same.record, name: 'after' } : token
  })
  await clock.advance(10_000)
  expect([await reads(soon.stream), await reads(narrowed.stream)]).toEqual([false, false])
  await send('PUBLISH', 'a', 'still here')
  expect(await same.stream.next()).toBe('data: message,a,still here')
  await same.stream.close()
})

test('no message asks for the tokens', async () => {
  const { stream } = await open('/subscribe/many', { all: true })
  await send('PUBLISH', 'many', '1')
  const before = told
  const sent = await Promise.all(Array.from({ length: 50 }, () => send('PUBLISH', 'many', 'x')))
  expect([sent.length, told - before]).toEqual([50, 50])
  await stream.close()
})

test('while the tokens cannot be told, streams go on, and without any nothing is looked at', async () => {
  let timers = 0
  const counted: Clock = {
    ...clock,
    after(delayMs, run) {
      timers++
      const cancel = clock.after(delayMs, () => {
        timers--
        run()
      })
      return () => {
        timers--
        cancel()
      }
    },
  }
  const ended: string[] = []
  let isGood = (): boolean => {
    throw new Error('the tokens are broken')
  }
  const seats = createSeats({ maxSubscribers: 10, clock: counted, isGood: () => isGood() })
  const leave = ['a', 'b'].map((name) => seats.take(caller, () => ended.push(name)))
  await clock.advance(5_000)
  expect(ended).toEqual([])
  isGood = () => false
  await clock.advance(5_000)
  expect(ended).toEqual(['a', 'b'])
  for (const one of leave) one()
  expect([seats.taken(), timers]).toEqual([0, 0])
})

test('a stream whose token ends while it is opened is over, and leaves nothing behind', async () => {
  let confirm = () => {}
  let end = () => {}
  const pings: unknown[] = []
  const client = {
    isReady: true,
    on: () => {},
    subscribe: () =>
      new Promise<void>((resolve) => {
        confirm = resolve
      }),
    unsubscribe: async () => {},
    sendCommand: async (command: unknown) => pings.push(command),
  }
  const connection = {
    client,
    within: (call: Promise<unknown>) => call,
    close: async () => {},
  } as unknown as Connection
  const subscriptions = createSubscriptions({
    connect: async () => connection,
    clock,
    heartbeatMs: 15_000,
    seats: {
      take: (_, ends) => {
        end = ends
        return () => {}
      },
      taken: () => 0,
    },
    onEvent: () => {},
  })
  const opening = subscriptions.open('subscribe', ['a'], caller)
  await settled()
  end()
  confirm()
  expect(await readLines({ body: await opening }).next()).toBeNull()
  await clock.advance(15_000)
  expect(pings).toEqual([])
})
