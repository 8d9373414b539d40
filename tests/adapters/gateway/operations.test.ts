import { afterAll, expect, test } from 'bun:test'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import {
  createGateway,
  createGatewayToken,
  type GatewayOptions,
  type GatewayRequest,
  serveGateway,
} from '../../../adapters/gateway/index.ts'
import { createCertificate } from '../../support/certificate.ts'
import { createVirtualClock, settled } from '../../support/clock.ts'
import { createFolder } from '../../support/folder.ts'
import { startRedisOrJs } from '../../support/redis-server.ts'
import { hasRedisServer, readLines, TOKEN, until } from './subject.ts'

const redis = await startRedisOrJs()
afterAll(() => redis.stop())

async function setUp(options: Partial<GatewayOptions> = {}) {
  const requests: GatewayRequest[] = []
  const gateway = await createGateway({
    redis: redis.url,
    tokens: [TOKEN],
    onRequest: (request) => requests.push(request),
    ...options,
  })
  const call = (path: string, body?: unknown, token: string | null = TOKEN) =>
    gateway.fetch(
      new Request(`http://gateway${path}`, {
        ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
        headers: token === null ? {} : { authorization: `Bearer ${token}` },
      }),
    )
  const answer = async (path: string, body?: unknown, token?: string | null) => {
    const response = await call(path, body, token)
    return [response.status, await response.text()]
  }
  return { gateway, requests, call, answer, [Symbol.asyncDispose]: () => gateway.close() }
}

test('a reply that is too large is an error in its place, by what it holds', async () => {
  await using gateway = await setUp({ maxReplyBytes: 10 })
  const error = '{"error":"ERR max response size exceeded. Limit: 10, Actual: 11"}'
  expect(await gateway.answer('/', ['ECHO', 'x'.repeat(10)])).toEqual([200, `{"result":"${'x'.repeat(10)}"}`])
  expect(await gateway.answer('/', ['ECHO', 'x'.repeat(11)])).toEqual([400, error])
  await gateway.answer('/', ['RPUSH', 'parts', 'xxxxx', 'xxxxxx'])
  expect(await gateway.answer('/pipeline', [['LRANGE', 'parts', 0, -1], ['PING']])).toEqual([
    200,
    `[${error},{"result":"PONG"}]`,
  ])
})

test('a pipeline or a transaction of too many commands is 413, and none of them runs', async () => {
  await using gateway = await setUp({ maxCommands: 2 })
  for (const path of ['/pipeline', '/multi-exec']) {
    expect((await gateway.answer(path, [['PING'], ['PING']]))[0]).toBe(200)
    expect(await gateway.answer(path, [['SET', 'many', 1], ['PING'], ['PING']])).toEqual([
      413,
      '{"error":"ERR max number of commands exceeded. Limit: 2, Actual: 3"}',
    ])
  }
  expect(await gateway.answer('/', ['EXISTS', 'many'])).toEqual([200, '{"result":0}'])
})

test('a stream of too many channels is 413, and takes no seat', async () => {
  await using gateway = await setUp({ maxSubscribers: 1 })
  const path = (count: number) => `/subscribe/${Array.from({ length: count }, (_, at) => at).join('/')}`
  const refused = await gateway.call(path(101))
  expect([refused.status, await refused.text()]).toEqual([
    413,
    '{"error":"ERR max number of channels exceeded. Limit: 100, Actual: 101"}',
  ])
  const stream = await gateway.call(path(100))
  expect(stream.status).toBe(200)
  await stream.body?.cancel()
})

test('one subscriber too many is refused until another one leaves', async () => {
  await using gateway = await setUp({ maxSubscribers: 2 })
  const [first] = await Promise.all([gateway.call('/subscribe/a'), gateway.call('/psubscribe/b*')])
  const refused = await gateway.call('/subscribe/c')
  expect([refused.status, refused.headers.get('retry-after'), await refused.text()]).toEqual([
    503,
    '1',
    '{"error":"ERR max number of subscribers reached. Limit: 2"}',
  ])
  await first.body?.cancel()
  expect((await gateway.call('/subscribe/c')).status).toBe(200)
})

test.skipIf(!hasRedisServer)(
  'who watches takes a seat among the streams, and gives it back, also where there is none to watch',
  async () => {
    await using gateway = await setUp({ maxSubscribers: 2 })
    const streams = async () => /subscribers (\d+)/.exec(String((await gateway.answer('/metrics'))[1]))?.[1]
    const [watched] = await Promise.all([gateway.call('/monitor'), gateway.call('/subscribe/a')])
    expect(await streams()).toBe('2')
    for (const path of ['/monitor', '/subscribe/b']) expect((await gateway.call(path)).status).toBe(503)
    await watched.body?.cancel()
    expect(await streams()).toBe('1')
    expect((await gateway.gateway.fetch(head('/monitor'))).status).toBe(200)
    expect(await streams()).toBe('1')
    expect((await gateway.call('/monitor')).status).toBe(200)
  },
)

const head = (path: string) =>
  new Request(`http://gateway${path}`, { method: 'HEAD', headers: { authorization: `Bearer ${TOKEN}` } })

test('a request that is answered from memory is counted, and no command of it', async () => {
  await using gateway = await setUp({ tokens: [TOKEN] })
  const headers = { authorization: `Bearer ${TOKEN}`, 'idempotency-key': 'counted' }
  const send = () =>
    gateway.gateway.fetch(new Request('http://gateway/', { method: 'POST', body: '["INCR","counted"]', headers }))
  for (const replayed of [null, 'true']) expect((await send()).headers.get('idempotent-replayed')).toBe(replayed)
  const text = String((await gateway.answer('/metrics'))[1])
  expect(text).toContain('tq_gateway_commands_total 1\n')
  expect(text).toContain('tq_gateway_requests_total{status="200"} 2\n')
  await until(async () => gateway.requests.length, 3)
  const ran = gateway.requests
    .filter(({ route }) => route === 'command')
    .map(({ commands }) => Object.keys(commands).length)
  expect(ran.sort()).toEqual([0, 1])
})

test('limits hold in RESP2 and under a key as well', async () => {
  await using gateway = await setUp({ maxReplyBytes: 10, maxCommands: 2 })
  const post = async (path: string, body: unknown, more: Record<string, string>) => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'upstash-response-format': 'resp2', ...more }
    const response = await gateway.gateway.fetch(
      new Request(`http://gateway${path}`, { method: 'POST', body: JSON.stringify(body), headers }),
    )
    return [response.status, await response.text()]
  }
  const long = ['ECHO', 'x'.repeat(11)]
  for (const more of [{}, { 'idempotency-key': 'limits' }]) {
    expect(await post('/pipeline', [['PING'], long], more)).toEqual([
      200,
      '+PONG\r\n-ERR max response size exceeded. Limit: 10, Actual: 11\r\n',
    ])
  }
  expect(await post('/pipeline', [['PING'], ['PING'], ['PING']], { 'idempotency-key': 'many' })).toEqual([
    413,
    '-ERR max number of commands exceeded. Limit: 2, Actual: 3\r\n',
  ])
})

test('who watches needs no token, and is told no more than whether it works', async () => {
  await using gateway = await setUp()
  expect(await gateway.answer('/healthz', undefined, null)).toEqual([200, '{"status":"ok"}'])
  expect(await gateway.answer('/readyz', undefined, null)).toEqual([200, '{"status":"ready"}'])
  expect((await gateway.answer('/metrics'))[1]).toContain('tq_gateway_commands_total 0\n')
})

test.skipIf(!hasRedisServer)('a gateway whose Redis is away is there, and not ready', async () => {
  const clock = createVirtualClock()
  const away = await startRedisOrJs()
  await using gateway = await setUp({ redis: away.url, clock })
  expect((await gateway.answer('/readyz', undefined, null))[0]).toBe(200)
  process.kill(away.pid, 'SIGSTOP')
  // What was seen a moment ago is good for a second.
  expect((await gateway.answer('/readyz', undefined, null))[0]).toBe(200)
  await clock.advance(1_000)
  const asked = Promise.all([gateway.call('/readyz', undefined, null), gateway.call('/readyz', undefined, null)])
  await settled()
  await clock.advance(2_000)
  expect((await asked).map(({ status, headers }) => [status, headers.get('retry-after')])).toEqual([
    [503, '1'],
    [503, '1'],
  ])
  expect((await gateway.answer('/healthz', undefined, null))[0]).toBe(200)
  await away.stop()
  await until(async () => /tq_gateway_redis_up 0/.test(String((await gateway.answer('/metrics'))[1])), true)
  expect((await gateway.answer('/metrics'))[1]).toContain('tq_gateway_redis_losses_total 1\n')
})

test('metrics count requests, commands and streams, for those who may do everything or this alone', async () => {
  const metrics = await createGatewayToken({ name: 'prometheus', metrics: true })
  const reader = await createGatewayToken({ readOnly: true })
  const clock = createVirtualClock()
  await using gateway = await setUp({ tokens: [TOKEN, metrics.record, reader.record], clock })
  expect((await gateway.answer('/metrics', undefined, null))[0]).toBe(401)
  await gateway.answer('/pipeline', [['PING'], ['PING'], ['NOSUCH']])
  await gateway.call('/subscribe/a')
  const response = await gateway.call('/metrics', undefined, metrics.token)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const text = await response.text()
  for (const line of [
    '# TYPE tq_gateway_requests_total counter',
    'tq_gateway_requests_total{status="401"} 1',
    'tq_gateway_requests_total{status="200"} 2',
    '# TYPE tq_gateway_request_duration_seconds histogram',
    'tq_gateway_request_duration_seconds_bucket{le="0.001"} 3',
    'tq_gateway_request_duration_seconds_bucket{le="+Inf"} 3',
    'tq_gateway_request_duration_seconds_count 3',
    'tq_gateway_commands_total 3',
    'tq_gateway_subscribers 1',
    'tq_gateway_redis_up 1',
  ])
    expect(text.split('\n')).toContain(line)
  expect(text).toEndWith('\n')
  expect((await gateway.answer('/metrics'))[0]).toBe(200)
  if (!hasRedisServer) return
  expect((await gateway.answer('/ping', undefined, metrics.token))[0]).toBe(400)
  expect((await gateway.answer('/metrics', undefined, reader.token))[0]).toBe(400)
})

test('the access log has names of commands, and no key, no value and no token', async () => {
  const { token, record } = await createGatewayToken({ name: 'web', prefixes: ['web:'] })
  await using gateway = await setUp({ tokens: [TOKEN, record], addressOf: () => '192.0.2.1' })
  const secret = 'hunter2'
  await gateway.answer(`/set/web:${secret}/${secret}?_token=${secret}`, undefined, token)
  await gateway.answer('/pipeline', [
    ['GET', secret],
    ['get', secret],
    [secret, secret],
    ['CONFIG', 'GET', secret],
  ])
  await gateway.answer(`/${secret}`)
  await gateway.answer('/', ['GET', secret], secret)
  await gateway.call(`/subscribe/${secret}`)
  await gateway.answer('/healthz', undefined, null)
  await until(async () => gateway.requests.length, 6)
  expect(
    gateway.requests.map(({ route, status, commands, token, address }) => [route, status, commands, token, address]),
  ).toEqual(
    hasRedisServer
      ? [
          ['command', 200, { set: 1 }, 'web', '192.0.2.1'],
          ['pipeline', 200, { get: 2, '?': 1, 'config|get': 1 }, undefined, '192.0.2.1'],
          ['command', 400, { '?': 1 }, undefined, '192.0.2.1'],
          ['command', 401, {}, undefined, '192.0.2.1'],
          ['subscribe', 200, {}, undefined, '192.0.2.1'],
          ['healthz', 200, {}, undefined, '192.0.2.1'],
        ]
      : expect.any(Array),
  )
  expect(JSON.stringify(gateway.requests)).not.toContain(secret)
  expect(JSON.stringify(gateway.requests)).not.toContain(token)
})

test('a gateway that closes takes nothing new, and answers what is under way', async () => {
  const { gateway, call } = await setUp()
  const stream = readLines(await call('/subscribe/a'))
  expect(await stream.next()).toBe('data: subscribe,a,1')
  let sendRest = (_: string) => {}
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('["ECHO",'))
      sendRest = (rest) => {
        controller.enqueue(new TextEncoder().encode(rest))
        controller.close()
      }
    },
  })
  const headers = { authorization: `Bearer ${TOKEN}` }
  const underWay = gateway.fetch(new Request('http://gateway/', { method: 'POST', body, headers }))
  await settled()
  const closed = gateway.close()
  const refused = await call('/', ['PING'])
  expect([refused.status, refused.headers.get('retry-after'), await refused.text()]).toEqual([
    503,
    '1',
    '{"error":"ERR the gateway is shutting down"}',
  ])
  expect((await call('/readyz', undefined, null)).status).toBe(503)
  expect(await stream.next()).toBeNull()
  sendRest('"late"]')
  expect(await (await underWay).text()).toBe('{"result":"late"}')
  await closed
})

test('a gateway that is closed twice at once ends once, when what is under way has been answered', async () => {
  const { gateway } = await setUp({ clock: createVirtualClock() })
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const init = { method: 'POST', body: readable, headers: { authorization: `Bearer ${TOKEN}` } }
  const underWay = gateway.fetch(new Request('http://gateway/', init))
  await settled()
  const closed = [gateway.close(), gateway.close()]
  const writer = writable.getWriter()
  await writer.write(new TextEncoder().encode('["PING"]'))
  await writer.close()
  expect(await (await underWay).text()).toBe('{"result":"PONG"}')
  await Promise.all(closed)
})

test.each(hasRedisServer ? ['/subscribe/late', '/monitor'] : ['/subscribe/late'])(
  'a stream at %s that is being opened while the gateway closes is not left open',
  async (path) => {
    const { gateway, call } = await setUp()
    const [response] = await Promise.all([call(path), gateway.close()])
    expect([response.status, await response.text()]).toEqual([503, '{"error":"ERR the gateway is shutting down"}'])
  },
)

test.skipIf(!hasRedisServer)(
  'a gateway that closes ends those who watch, and lets a WAIT and what is under a key finish',
  async () => {
    const { gateway, call } = await setUp()
    const stream = readLines(await call('/monitor'))
    expect(await stream.next()).toBe('data: "OK"')
    const headers = { authorization: `Bearer ${TOKEN}`, 'idempotency-key': 'closing' }
    const body = '[["INCR","closing"],["WAIT","1","50"]]'
    const underWay = gateway.fetch(new Request('http://gateway/pipeline', { method: 'POST', body, headers }))
    await gateway.close()
    for (let line = await stream.next(); line !== null; ) line = await stream.next()
    expect(await (await underWay).text()).toBe('[{"result":1},{"result":0}]')
    expect((await call('/monitor')).status).toBe(503)
  },
)

test('a request whose body never ends does not keep a gateway from closing', async () => {
  const clock = createVirtualClock()
  const { gateway } = await setUp({ clock, deadlineMs: 5_000 })
  const headers = { authorization: `Bearer ${TOKEN}` }
  void gateway
    .fetch(new Request('http://gateway/', { method: 'POST', body: new ReadableStream(), headers }))
    .catch(() => {})
  await settled()
  const closed = gateway.close()
  await settled()
  await clock.advance(5_000)
  await closed
})

test('it serves over TLS, then also to other machines, and sees through the proxies that it trusts', async () => {
  const requests: GatewayRequest[] = []
  const folder = createFolder()
  const { certPath, keyPath } = await createCertificate(folder.path)
  const tls = { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') }
  const server = await serveGateway({
    redis: redis.url,
    tokens: [TOKEN],
    port: 0,
    hostname: '0.0.0.0',
    tls,
    trustedProxies: 1,
    onRequest: (request) => requests.push(request),
  })
  const response = await fetch(`https://127.0.0.1:${server.port}/ping`, {
    headers: { authorization: `Bearer ${TOKEN}`, 'x-forwarded-for': '192.0.2.7' },
    tls: { ca: tls.cert },
  })
  expect(await response.text()).toBe('{"result":"PONG"}')
  await until(async () => requests.length, 1)
  expect(requests[0]?.address).toBe('192.0.2.7')
  await server.close()
  folder.remove()
})

test('a body beyond the 128 MiB that Bun takes by itself is for the gateway to judge, where its limit is larger', async () => {
  const server = await serveGateway({ redis: redis.url, tokens: [TOKEN], port: 0, maxBodyBytes: 300_000_000 })
  const socket = connect(server.port, '127.0.0.1')
  socket.write('POST / HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer wrong\r\ncontent-length: 200000000\r\n\r\n[')
  const [answer] = await once(socket, 'data')
  expect(String(answer)).toStartWith('HTTP/1.1 401 ')
  socket.destroy()
  await server.close()
})
