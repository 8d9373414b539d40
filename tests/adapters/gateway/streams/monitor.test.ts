import { expect, test } from 'bun:test'
import { createGateway } from '../../../../adapters/gateway/index.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { startRedis, type TestRedis } from '../../../support/redis-server.ts'
import { hasRedisServer, readLines, type SseReader, startSubject, TOKEN, until } from '../subject.ts'

/** js-redis-server has no MONITOR. */
const withRedis = (name: string, run: () => Promise<void>) =>
  test.skipIf(!hasRedisServer)(hasRedisServer ? name : `${name} (needs redis-server on the PATH)`, run)

const clock = createVirtualClock()
const { fetch: get, send, events } = await startSubject({ clock, heartbeatMs: 15_000 })

async function watch(init: RequestInit = {}) {
  const response = await get('/monitor', init)
  return { response, ...readLines(response) }
}

/** The next command in a stream, without its time and its sender. */
const nextCommand = async ({ next }: SseReader) => /^data: \d+\.\d+ \[0 [^\]]+\] (.*)$/.exec((await next()) ?? '')?.[1]

async function connections(): Promise<number> {
  return Number(/connected_clients:(\d+)/.exec(JSON.parse(await send('INFO', 'clients')).result)?.[1])
}

withRedis('what Redis runs is told line by line, as MONITOR prints it', async () => {
  const watched = await watch({ method: 'POST', headers: { accept: 'text/event-stream' } })
  expect([watched.response.status, watched.response.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
  expect(await watched.next()).toBe('data: "OK"')
  await send('SET', 'k', 'two\nlines')
  await send('GET', 'k')
  expect(await nextCommand(watched)).toBe('"SET" "k" "two\\nlines"')
  expect(await nextCommand(watched)).toBe('"GET" "k"')
  await watched.close()
})

withRedis('all who watch share one connection, which ends with the last of them', async () => {
  const before = await connections()
  const all = await Promise.all(Array.from({ length: 10 }, () => watch()))
  for (const { next } of all) expect(await next()).toBe('data: "OK"')
  const [last, ...others] = all
  await Promise.all(others.map(({ close }) => close()))
  expect(await connections()).toBe(before + 1)
  expect(await nextCommand(last as SseReader)).toBe('"INFO" "clients"')
  await last?.close()
  await until(connections, before)
  const again = await watch()
  expect(await again.next()).toBe('data: "OK"')
  await send('ECHO', 'again')
  expect(await nextCommand(again)).toBe('"ECHO" "again"')
  await again.close()
  await until(connections, before)
})

withRedis('a stream on which nothing happens carries a comment every so often', async () => {
  const watched = await watch()
  await watched.next()
  await clock.advance(15_000)
  expect(await watched.next()).toBe(': ping')
  await watched.close()
})

withRedis('who watches and does not read is cut off', async () => {
  const before = await connections()
  const { body } = await get('/monitor')
  const value = 'x'.repeat(1_000_000)
  await until(async () => {
    await send('ECHO', value)
    return events.some(({ type }) => type === 'subscriber.dropped')
  }, true)
  expect(events).toContainEqual({ type: 'subscriber.dropped', channel: 'MONITOR' })
  await until(connections, before)
  await body?.cancel()
})

withRedis('HEAD opens no stream that nobody would end', async () => {
  const before = await connections()
  for (const path of ['/monitor', '/subscribe/head']) {
    const response = await get(path, { method: 'HEAD' })
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
      200,
      'text/event-stream',
      '',
    ])
  }
  await until(async () => JSON.parse(await send('PUBSUB', 'NUMSUB', 'head')).result[1], 0)
  // The one that subscriptions share stays.
  await until(connections, before + 1)
})

withRedis('what Redis refuses its user is 400 with the text of Redis', async () => {
  const user = 'user limited on >pw ~* +@all -monitor resetchannels'
  const redis = (await startRedis({
    args: user.split(' ').map((word, at) => (at === 0 ? '--user' : word)),
  })) as TestRedis
  const gateway = await createGateway({ redis: `redis://limited:pw@127.0.0.1:${redis.port}`, tokens: [TOKEN] })
  const headers = { authorization: `Bearer ${TOKEN}` }
  for (const path of ['/monitor', '/subscribe/chat']) {
    const response = await gateway.fetch(new Request(`http://gateway${path}`, { headers }))
    expect([path, response.status]).toEqual([path, 400])
    expect(await response.text()).toStartWith('{"error":"NOPERM')
  }
  await gateway.close()
  await redis.stop()
})

withRedis('streams outlive Redis, and are told that they may have missed something', async () => {
  const redis = (await startRedis()) as TestRedis
  const gateway = await createGateway({ redis: redis.url, tokens: [TOKEN] })
  const request = (path: string) =>
    gateway.fetch(new Request(`http://gateway${path}`, { headers: { authorization: `Bearer ${TOKEN}` } }))
  const stream = readLines(await request('/monitor'))
  expect(await stream.next()).toBe('data: "OK"')
  await redis.stop()
  await until(async () => (await request('/monitor')).status, 503)
  const restarted = (await startRedis({ port: redis.port })) as TestRedis
  for (let line = await stream.next(); line !== 'data: "OK"'; ) line = await stream.next()
  await until(async () => (await request('/echo/back')).status, 200)
  for (let line = await stream.next(); !line?.endsWith(' "echo" "back"'); ) line = await stream.next()
  await gateway.close()
  for (let line = await stream.next(); line !== null; ) line = await stream.next()
  await restarted.stop()
})
