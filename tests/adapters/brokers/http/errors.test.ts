/** What goes wrong between a broker over HTTP and its server, and how it says so. */
import { expect, test } from 'bun:test'
import {
  BrokerRefused,
  BrokerUnavailable,
  InvalidOption,
  StaleExchange,
  StorageFull,
  TooLarge,
  Unsupported,
} from 'tq-edge'
import { type HttpBrokerOptions, httpBroker } from 'tq-edge/brokers/http'
import { brokerRoutes, createApi, createToken } from 'tq-edge/http'
import type { Broker } from '../../../../src/broker.ts'
import { setUp } from '../../../http/support.ts'

const TOKEN = 'a-token-for-tests'
const EXCHANGE = { lane: 'w.1.0', queues: ['default'], want: 1, takeLost: true, leaseMs: 30_000, waitMs: 0 }
const exchange = (broker: Broker, seq = 1) => broker.exchange({ ...EXCHANGE, seq, settle: [], extend: [] })

const connect = (options: Partial<HttpBrokerOptions> = {}) =>
  httpBroker({ url: 'https://tq.example', token: TOKEN, ...options })

/** A server whose broker is SQLite, but for what a test puts before it. */
function served(wrap: Partial<Broker> = {}, routes: 'with broker routes' | 'without' = 'with broker routes') {
  const setup = setUp({ tokens: [TOKEN] })
  const broker = { ...setup.broker, ...wrap }
  const { clock } = setup
  return createApi({ broker, tokens: [TOKEN], clock, ...(routes === 'without' ? {} : { brokerRoutes }) })
}

const thrownBy = (call: Promise<unknown>): Promise<Error> =>
  call.then(
    () => new Error('expected an error, got none'),
    (error) => error,
  )

test.each(['tq.example', 'ftp://tq.example', 'https://user:secret@tq.example', 'https://tq.example?token=secret'])(
  'the address %s is refused at once, and not repeated',
  (url) => {
    const error = (() => {
      try {
        return connect({ url })
      } catch (thrown) {
        return thrown
      }
    })()
    expect(error).toBeInstanceOf(InvalidOption)
    expect(String(error)).not.toContain('secret')
  },
)

test('a token that no header can carry is refused at once, and not repeated', () => {
  expect(() => connect({ token: 'two words' })).toThrow('expected token to be printable ASCII')
})

test('the API may be below a path, with a slash at its end or without', async () => {
  const addresses: string[] = []
  const fetch = async (url: string) => {
    addresses.push(url)
    return Response.json({ answer: [] })
  }
  for (const url of ['https://tq.example/tq', 'https://tq.example/tq/']) await connect({ url, fetch }).workers()
  expect(addresses).toEqual(Array(2).fill('https://tq.example/tq/v1/broker/workers'))
})

test('another token is refused by the server, and not repeated', async () => {
  const error = await thrownBy(exchange(connect({ token: 'another-token', fetch: served().request })))
  expect(error).toBeInstanceOf(BrokerRefused)
  expect(error.message).toContain('check TQ_BROKER_TOKEN')
  expect(error.message).not.toContain('another-token')
})

test('a token without the scope is told which one it needs', async () => {
  const { token, record } = await createToken({ name: 'mail', scopes: ['work:mail'] })
  const { broker, clock } = setUp()
  const api = createApi({ broker, tokens: [record], clock })
  const error = await thrownBy(exchange(connect({ token, fetch: api.request })))
  expect(error).toBeInstanceOf(BrokerRefused)
  expect(error.message).toEndWith(': have TQ_BROKER_TOKEN be a token with the scope "work:default"')
})

test('a server serves workers by itself, and all else only when it is told to', async () => {
  const broker = connect({ fetch: served({}, 'without').request })
  expect((await exchange(broker)).jobs).toEqual([])
  const error = await thrownBy(broker.stats())
  expect([error.name, error.message]).toEqual(['BrokerRefused', expect.stringContaining('--broker-routes')])
})

test('an exchange of a lane that has gone on is stale, with the facts', async () => {
  const broker = connect({ fetch: served().request })
  await exchange(broker, 5)
  const error = await thrownBy(exchange(broker, 4))
  expect(error).toBeInstanceOf(StaleExchange)
  expect(error).toMatchObject({ lane: 'w.1.0', expectedSeq: 5, gotSeq: 4 })
})

test('a call that is too large says so, for the worker to send it in parts', async () => {
  const broker = connect({ fetch: served().request })
  const settle = [{ kind: 'succeeded', id: 'a', epoch: 1, result: `"${'x'.repeat(8_000_000)}"`, keepMs: 1 }] as const
  const error = await thrownBy(broker.exchange({ ...EXCHANGE, seq: 1, settle, extend: [] }))
  expect(error).toBeInstanceOf(TooLarge)
  expect(error).toMatchObject({ maxBytes: 8_000_000 })
  const proxied = connect({ fetch: () => new Response('<html>', { status: 413 }) })
  expect(await thrownBy(proxied.workers())).toBeInstanceOf(TooLarge)
})

test('a full store is told of as such', async () => {
  const full = new StorageFull('tq.db')
  const fetch = served({ enqueue: async () => Promise.reject(full) }).request
  expect(await thrownBy(connect({ fetch }).enqueue([]))).toBeInstanceOf(StorageFull)
})

test.each<[string, () => Response | Promise<Response>]>([
  ['a page of a proxy', () => new Response('<html>bad gateway</html>', { status: 502 })],
  ['a page in place of an answer', () => new Response('<html>welcome</html>')],
  ['JSON of something else', () => Response.json({ hello: 'world' })],
  ['too many calls', () => new Response('', { status: 429 })],
  ['no connection', () => Promise.reject(new TypeError('fetch failed'))],
])('%s is no answer: the call may be sent again', async (_, fetch) => {
  for (const call of [exchange(connect({ fetch })), connect({ fetch }).stats()]) {
    const error = await thrownBy(call)
    expect(error).toBeInstanceOf(BrokerUnavailable)
    expect(error.message).not.toContain('html')
  }
})

test('a redirect is not followed with the token', async () => {
  const modes: unknown[] = []
  const fetch = (_: string, { redirect }: RequestInit) => {
    modes.push(redirect)
    return new Response('', { status: 301, headers: { Location: 'https://elsewhere.example' } })
  }
  expect(await thrownBy(connect({ fetch }).workers())).toBeInstanceOf(BrokerRefused)
  expect(modes).toEqual(['manual'])
})

test('a server has no transaction to enqueue in', async () => {
  expect(await thrownBy(connect().enqueue([], { within: {} }))).toBeInstanceOf(Unsupported)
})

test('of a claimed job that is given back as a lease only what the server needs is sent', async () => {
  const bodies: string[] = []
  const api = served()
  const broker = connect({
    fetch: (url, init) => {
      bodies.push(String(init.body))
      return api.request(url, init)
    },
  })
  const held = { id: 'a', epoch: 1, input: 'a secret' }
  await broker.retry([held])
  await broker.exchange({ ...EXCHANGE, seq: 1, settle: [], extend: [held] })
  expect(bodies.join()).not.toContain('secret')
})
