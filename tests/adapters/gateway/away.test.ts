import { afterEach, expect, test } from 'bun:test'
import { type AddressInfo, connect, createServer } from 'node:net'
import { createGateway, type GatewayEvent, type GatewayOptions, serveGateway } from '../../../adapters/gateway/index.ts'
import { createConnection } from '../../../adapters/gateway/redis/connection.ts'
import { createVirtualClock, settled } from '../../support/clock.ts'
import { redisCli } from '../../support/redis-cluster.ts'
import { type StartRedisOptions, startRedis as startRedisServer, type TestRedis } from '../../support/redis-server.ts'
import { createCaller, hasRedisServer, readLines, TOKEN, until } from './subject.ts'

/** For what ends, freezes or replaces a redis-server. */
const withRedis = (name: string, run: () => Promise<void>) =>
  test.skipIf(!hasRedisServer)(hasRedisServer ? name : `${name} (needs redis-server on the PATH)`, run)

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanUp) => cleanUp()))
})

async function startRedis(options: StartRedisOptions = {}): Promise<TestRedis> {
  const redis = (await startRedisServer(options)) as TestRedis
  cleanups.push(redis.stop)
  return redis
}

async function setUp(options: Partial<GatewayOptions> = {}) {
  const redis = await startRedis()
  const events: GatewayEvent[] = []
  const waiting: (() => void)[] = []
  const onEvent = (event: GatewayEvent) => {
    events.push(event)
    if (event.type === 'redis.back') for (const resolve of waiting.splice(0)) resolve()
  }
  const gateway = await createGateway({ redis: redis.url, tokens: [TOKEN], onEvent, ...options })
  cleanups.push(gateway.close)
  const request = (path: string, body?: unknown, headers: Record<string, string> = {}) =>
    gateway.fetch(
      new Request(`http://gateway${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    )
  return {
    redis,
    events,
    gateway,
    request,
    send: async (...command: readonly unknown[]) => {
      const response = await request('/', command)
      return [response.status, await response.text()]
    },
    back: () => new Promise<void>((resolve) => waiting.push(resolve)),
  }
}

withRedis('while Redis is away every call is 503 at once, and works again once it is back', async () => {
  const { redis, request, send, events, back } = await setUp()
  await send('SET', 'a', '1')
  await redis.stop()
  await until(async () => (await request('/', ['PING'])).status, 503)
  for (const [path, body] of [
    ['/', ['PING']],
    ['/pipeline', [['PING']]],
    ['/multi-exec', [['PING']]],
    ['/', ['WAIT', 0, 100]],
    ['/subscribe/x', undefined],
    ['/monitor', undefined],
  ] as const) {
    const response = await request(path, body)
    expect([path, response.status, response.headers.get('retry-after')]).toEqual([path, 503, '1'])
    expect(await response.json()).toEqual({
      error: expect.stringMatching(/^ERR redis is not available: (?:ECONNREFUSED|The client is offline)$/),
    })
  }
  const isBack = back()
  await startRedis({ port: redis.port })
  await isBack
  expect(await send('GET', 'a')).toEqual([200, '{"result":null}'])
  expect(events.map(({ type }) => type)).toEqual(['redis.lost', 'redis.back'])
})

withRedis('what was answered 503 is not sent after all', async () => {
  const { redis, send, back } = await setUp()
  await redis.stop()
  const refused = await Promise.all(Array.from({ length: 20 }, () => send('INCR', 'sent')))
  expect(new Set(refused.map(([status]) => status))).toEqual(new Set([503]))
  const isBack = back()
  await startRedis({ port: redis.port })
  await isBack
  expect(await send('GET', 'sent')).toEqual([200, '{"result":null}'])
})

withRedis('a Redis that does not answer is 503 after the deadline, at once from then on, and recovers', async () => {
  const clock = createVirtualClock()
  const { redis, send, events, back } = await setUp({ clock, deadlineMs: 5_000 })
  process.kill(redis.pid, 'SIGSTOP')
  let overdue: unknown
  const waiting = send('SET', 'a', '1').then((reply) => {
    overdue = reply
  })
  while (overdue === undefined) await clock.advance(1_000)
  await waiting
  expect(overdue).toEqual([503, '{"error":"ERR redis is not available: no answer within 5000 ms"}'])
  expect((await send('PING'))[0]).toBe(503)
  const isBack = back()
  process.kill(redis.pid, 'SIGCONT')
  await isBack
  expect(await send('PING')).toEqual([200, '{"result":"PONG"}'])
  expect(events[0]).toEqual({ type: 'redis.lost', reason: 'no answer within 5000 ms' })
})

/** Between a gateway and its Redis; what comes back passes through `change`. */
async function proxied(redis: TestRedis, change: (reply: string) => string): Promise<string> {
  const proxy = createServer((client) => {
    const server = connect(redis.port, '127.0.0.1')
    client.pipe(server)
    server.on('data', (chunk: Buffer) => client.write(change(chunk.toString('latin1')), 'latin1'))
    server.on('close', () => client.destroy())
    client.on('close', () => server.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  cleanups.push(async () => void proxy.close())
  return `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`
}

withRedis('a reply that cannot be read is 503, and nobody gets the reply to another command for it', async () => {
  const url = await proxied(await startRedis(), (reply) => reply.replace('$6\r\npoison', '?6\r\npoison'))
  const { send, events, back } = await setUp({ redis: url })
  for (let round = 0; round < 3; round++) {
    const isBack = back()
    const poisoned = send('ECHO', 'poison')
    const others = await Promise.all(['a', 'b', 'c'].map((text) => send('ECHO', text)))
    for (const [at, [status, body]] of others.entries())
      if (status !== 503) expect(body).toBe(`{"result":"${'abc'[at]}"}`)
    expect((await poisoned)[0]).toBe(503)
    await isBack
    expect(await send('ECHO', 'after')).toEqual([200, '{"result":"after"}'])
  }
  expect(events[0]).toEqual({ type: 'redis.lost', reason: expect.stringContaining('Unknown RESP type') })
})

withRedis(
  'under a key a 503 is an answer like others where the request may have run, and none where it was not sent',
  async () => {
    const clock = createVirtualClock()
    const { redis, request, back } = await setUp({ clock, deadlineMs: 5_000 })
    const under = async (key: string, body: unknown, path = '/') => {
      const response = await request(path, body, { 'idempotency-key': key })
      return [response.status, response.headers.get('idempotent-replayed')]
    }
    process.kill(redis.pid, 'SIGSTOP')
    let status: unknown[] | undefined
    void under('unknown', ['INCR', 'a']).then((answer) => {
      status = answer
    })
    while (!status) await clock.advance(1_000)
    expect(status).toEqual([503, null])
    expect(await under('unsent', ['INCR', 'b'])).toEqual([503, null])
    const isBack = back()
    process.kill(redis.pid, 'SIGCONT')
    await isBack
    expect(await under('unknown', ['INCR', 'a'])).toEqual([503, 'true'])
    expect(await under('unsent', ['INCR', 'b'])).toEqual([200, null])
    expect(
      await (
        await request('/pipeline', [
          ['GET', 'a'],
          ['GET', 'b'],
        ])
      ).text(),
    ).toMatch(/^\[\{"result":("1"|null)\},\{"result":"1"\}\]$/)
  },
)

withRedis('a Redis that has nothing to answer with is away: 503', async () => {
  const redis = await startRedis({ args: ['--replicaof', '127.0.0.1 1', '--replica-serve-stale-data', 'no'] })
  const gateway = await createGateway({ redis: redis.url, tokens: [TOKEN] })
  cleanups.push(gateway.close)
  const response = await createCaller(gateway).request('/', ['GET', 'a'])
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
  expect(await response.json()).toEqual({ error: expect.stringContaining('ERR redis is not available: MASTERDOWN') })
})

withRedis(
  'of a Redis that refuses what is sent while it loads, a key remembers only what has run in part',
  async () => {
    const redis = await startRedis({
      args: ['--replicaof', '127.0.0.1 1', '--replica-serve-stale-data', 'no', '--replica-read-only', 'no'],
    })
    const gateway = await createGateway({ redis: redis.url, tokens: [TOKEN] })
    cleanups.push(gateway.close)
    const answers = async () => {
      const found: unknown[] = []
      for (const [path, body] of [
        ['/', ['INCR', 'one']],
        [
          '/pipeline',
          [
            ['INCR', 'piped'],
            ['INCR', 'piped'],
          ],
        ],
        [
          '/multi-exec',
          [
            ['INCR', 'together'],
            ['PUBLISH', 'a', 'b'],
          ],
        ],
        [
          '/pipeline',
          [
            ['PUBLISH', 'a', 'b'],
            ['INCR', 'partly'],
          ],
        ],
        ['/', ['EVAL', 'redis.call("PUBLISH", "a", "b") return redis.call("GET", "a")', 0]],
      ] as const) {
        const headers = { authorization: `Bearer ${TOKEN}`, 'idempotency-key': `key ${found.length}`.replace(' ', '-') }
        const init = { method: 'POST', body: JSON.stringify(body), headers }
        const response = await gateway.fetch(new Request(`http://gateway${path}`, init))
        found.push([response.status, response.headers.get('idempotent-replayed')])
      }
      return found
    }
    expect(await answers()).toEqual(Array(5).fill([503, null]))
    await redisCli(redis.port, 'replicaof', 'no', 'one')
    expect(await answers()).toEqual([
      [200, null],
      [200, null],
      [200, null],
      [503, 'true'],
      [200, null],
    ])
  },
)

withRedis('closing waits no longer than the deadline for a Redis that does not answer', async () => {
  const clock = createVirtualClock()
  const { redis, gateway, send } = await setUp({ clock, deadlineMs: 5_000 })
  process.kill(redis.pid, 'SIGSTOP')
  const replies = [send('PING')]
  await settled()
  let closed = false
  void gateway.close().then(() => {
    closed = true
  })
  while (!closed) await clock.advance(1_000)
  expect((await Promise.all(replies)).map(([status]) => status)).toEqual([503])
})

withRedis('closing waits for nothing of a Redis that is gone meanwhile', async () => {
  const redis = await startRedis()
  const clock = createVirtualClock()
  const connection = await createConnection(redis.url, { clock, deadlineMs: 5_000, onEvent: () => {} })
  process.kill(redis.pid, 'SIGSTOP')
  const call = connection.within(connection.client.sendAll([['PING']])).catch((error: Error) => error.message)
  const closed = connection.close()
  process.kill(redis.pid, 'SIGKILL')
  await closed
  expect(await call).toContain('ERR redis is not available')
})

withRedis('a connection that is closed while it is made anew is closed', async () => {
  const redis = await startRedis()
  const clock = createVirtualClock()
  const connection = await createConnection(redis.url, { clock, deadlineMs: 5_000, onEvent: () => {} })
  const other = await createConnection(redis.url, { clock, deadlineMs: 5_000, onEvent: () => {} })
  process.kill(redis.pid, 'SIGSTOP')
  // As soon as it is overdue another socket is opened, which Redis takes once it goes on.
  const closed = connection.within(connection.client.sendAll([['PING']])).catch(connection.close)
  await clock.advance(5_000)
  await closed
  process.kill(redis.pid, 'SIGCONT')
  const clients = async () =>
    String(await other.client.sendCommand(['CLIENT', 'LIST']))
      .trim()
      .split('\n').length
  await until(clients, 1)
  await other.close()
})

withRedis('streams outlive Redis, and are told that they may have missed something', async () => {
  const { redis, gateway, request, send } = await setUp()
  const stream = readLines(await request('/subscribe/chat'))
  expect(await stream.next()).toBe('data: subscribe,chat,1')
  await redis.stop()
  await until(async () => (await request('/', ['PING'])).status, 503)
  expect((await request('/subscribe/more')).status).toBe(503)
  await startRedis({ port: redis.port })
  expect(await stream.next()).toBe('data: subscribe,chat,1')
  await until(async () => (await send('PUBLISH', 'chat', 'hello'))[1], '{"result":1}')
  expect(await stream.next()).toBe('data: message,chat,hello')
  await gateway.close()
  expect(await stream.next()).toBeNull()
})

withRedis('a channel that was left while Redis was away is not subscribed to any more once it is back', async () => {
  const { redis, request, send } = await setUp()
  const streams = []
  for (const path of ['/subscribe/kept/left', '/psubscribe/left.*', '/subscribe/kept']) {
    const stream = readLines(await request(path))
    await stream.next()
    streams.push(stream)
  }
  const [one, other, kept] = streams
  // Under way when Redis ends.
  process.kill(redis.pid, 'SIGSTOP')
  await one?.close()
  await redis.stop()
  await until(async () => (await send('PING'))[0], 503)
  // Sent to nobody.
  await other?.close()
  await startRedis({ port: redis.port })
  expect(await kept?.next()).toBe('data: subscribe,kept,1')
  const subscribed = async () => `${await send('PUBSUB', 'CHANNELS')} ${await send('PUBSUB', 'NUMPAT')}`
  await until(subscribed, '200,{"result":["kept"]} 200,{"result":0}')
  await kept?.close()
})

withRedis('scripts that ask for key locking are asked for again by a Redis that has lost them', async () => {
  const { redis, send, back } = await setUp()
  const script = '#!lua flags=allow-key-locking\nreturn 1'
  const sha = new Bun.CryptoHasher('sha1').update(script).digest('hex')
  expect(await send('EVAL', script, 0)).toEqual([200, '{"result":1}'])
  expect(await send('EVALSHA', sha, 0)).toEqual([200, '{"result":1}'])
  await redis.stop()
  const isBack = back()
  await startRedis({ port: redis.port })
  await isBack
  expect((await send('EVALSHA', sha, 0))[1]).toStartWith('{"error":"NOSCRIPT')
})

test('no Redis at the start is an error that names the reason and no password', async () => {
  const started = createGateway({ redis: 'redis://:hunter2@127.0.0.1:1', tokens: [TOKEN] })
  const error = await started.catch((thrown: Error) => thrown)
  expect(error).toMatchObject({
    name: 'BrokerUnavailable',
    message: 'expected an answer of the redis broker, got ECONNREFUSED',
  })
})

withRedis('a wrong password and a Redis that does not answer are errors at the start', async () => {
  const redis = await startRedis({ args: ['--requirepass', 'hunter2'] })
  const at = (password: string) => `redis://:${password}@127.0.0.1:${redis.port}`
  await expect(createGateway({ redis: at('wrong'), tokens: [TOKEN] })).rejects.toThrow('WRONGPASS')
  await expect(createGateway({ redis: redis.url, tokens: [TOKEN] })).rejects.toThrow('NOAUTH')
  await (await createGateway({ redis: at('hunter2'), tokens: [TOKEN] })).close()
  process.kill(redis.pid, 'SIGSTOP')
  const clock = createVirtualClock()
  let error: unknown
  void createGateway({ redis: at('hunter2'), tokens: [TOKEN], clock }).catch((thrown) => {
    error = thrown
  })
  while (error === undefined) await clock.advance(1_000)
  expect(error).toMatchObject({ name: 'BrokerUnavailable' })
})

test.each([
  ['no token', { tokens: [] }, 'tokens'],
  ['a token with a space', { tokens: ['a b'] }, 'tokens[0]'],
  ['another protocol', { redis: 'http://localhost' }, 'redis'],
])('%s is refused at the start', async (_, options, option) => {
  const started = createGateway({ redis: 'redis://127.0.0.1:1', tokens: [TOKEN], ...options })
  await expect(started).rejects.toMatchObject({ name: 'InvalidOption', option })
})

withRedis('it listens on this machine alone unless told otherwise', async () => {
  const redis = await startRedis()
  const options = { redis: redis.url, tokens: [TOKEN], port: 0 }
  for (const hostname of ['0.0.0.0', '::', '192.168.1.2', '127.evil.example'])
    await expect(serveGateway({ ...options, hostname })).rejects.toMatchObject({
      name: 'InvalidOption',
      option: 'hostname',
    })
  for (const more of [{}, { hostname: 'localhost' }, { hostname: '0.0.0.0', beyondLoopback: true }]) {
    const server = await serveGateway({ ...options, ...more })
    const response = await fetch(`http://127.0.0.1:${server.port}/ping`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    })
    expect(await response.text()).toBe('{"result":"PONG"}')
    await server.close()
  }
})

withRedis('a database other than the first is the only one there is', async () => {
  const { redis, send } = await setUp()
  const second = await createGateway({ redis: `${redis.url}/2`, tokens: [TOKEN] })
  const request = (body: unknown) =>
    second.fetch(
      new Request('http://gateway/pipeline', {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}` },
        body: JSON.stringify(body),
      }),
    )
  await request([
    ['SELECT', 0],
    ['SET', 'here', '1'],
  ])
  expect(await send('GET', 'here')).toEqual([200, '{"result":null}'])
  await second.close()
})
