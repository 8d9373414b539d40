import { expect, test } from 'bun:test'
import { Redis } from '@upstash/redis'
import { Redis as CloudflareRedis } from '@upstash/redis/cloudflare'
import { hasRedisServer, startSubject, TOKEN } from './subject.ts'

const { url } = await startSubject()
const redis = new Redis({ url, token: TOKEN })
const raw = new CloudflareRedis({ url, token: TOKEN, automaticDeserialization: false, enableAutoPipelining: false })

test('values round-trip through @upstash/redis, and "OK" is a value like others', async () => {
  expect(await redis.set('user', { name: 'Åse', tags: ['a', 'b'] })).toBe('OK')
  expect(await redis.get('user')).toEqual({ name: 'Åse', tags: ['a', 'b'] })
  await raw.rpush('oks', 'OK', 'T0s=', 'not OK')
  expect(await raw.lrange('oks', 0, -1)).toEqual(['OK', 'T0s=', 'not OK'])
  await raw.set('ok', 'OK')
  expect(await raw.get('ok')).toBe('OK')
  expect(await raw.get('nothing')).toBeNull()
})

test('hashes, sorted sets and streams have the shapes that the client expects', async () => {
  await redis.hset('h', { a: 1, b: 'two' })
  expect(await redis.hgetall('h')).toEqual({ a: 1, b: 'two' })
  await redis.zadd('z', { score: 1.5, member: 'a' }, { score: 2, member: 'b' })
  expect(await redis.zrange('z', 0, -1, { withScores: true })).toEqual(['a', 1.5, 'b', 2])
  await redis.xadd('x', '1-1', { field: 'value' })
  expect(await redis.xrange('x', '-', '+')).toEqual({ '1-1': { field: 'value' } })
  expect(await redis.ping()).toBe('PONG')
  expect(await redis.type('z')).toBe('zset')
})

test('commands that are sent at once are pipelined by the client, and each gets its own reply', async () => {
  const replies = await Promise.all(Array.from({ length: 100 }, (_, at) => redis.set(`auto:${at}`, at)))
  expect(new Set(replies)).toEqual(new Set(['OK']))
  expect(await Promise.all([redis.get('auto:7'), redis.get('auto:99')])).toEqual([7, 99])
})

test('pipelines and transactions bring typed replies, and errors by position', async () => {
  expect(await redis.pipeline().set('p', 1).incr('p').get('p').exec()).toEqual(['OK', 2, 2])
  expect(await redis.multi().set('m', 'x').append('m', 'y').exec()).toEqual(['OK', 2])
  const kept = await redis.pipeline().set('e', 'x').incr('e').get('e').exec({ keepErrors: true })
  expect(kept.map(({ error }) => error?.includes('not an integer') ?? false)).toEqual([false, true, false])
})

test('errors reach the caller with the text of Redis', async () => {
  await raw.set('text', 'x')
  await expect(raw.lpush('text', 'y')).rejects.toThrow('WRONGTYPE')
  await expect(new Redis({ url, token: 'wrong' }).get('x')).rejects.toThrow('WRONGPASS invalid or missing auth token')
})

test('a script runs by its digest, also the first time', async () => {
  const script = redis.createScript<number>('return tonumber(ARGV[1]) * 2')
  expect(await script.exec([], ['21'])).toBe(42)
  expect(await script.exec([], ['4'])).toBe(8)
  expect(await script.evalsha([], ['5'])).toBe(10)
})

test('a script that asks for key locking keeps the digest that its author computes', async () => {
  const text = '#!lua flags=allow-key-locking\nreturn {KEYS[1], redis.sha1hex("a")}'
  const script = redis.createScript<string[]>(text)
  await expect(script.evalsha(['k'], [])).rejects.toThrow('NOSCRIPT')
  expect((await script.exec(['k'], []))[0]).toBe('k')
  expect((await script.evalsha(['k'], []))[0]).toBe('k')
})

test('SCRIPT LOAD and EXISTS speak of the digest of the whole text', async () => {
  const text = '#!lua flags=allow-key-locking\nreturn "loaded"'
  const sha = new Bun.CryptoHasher('sha1').update(text).digest('hex')
  expect(await raw.scriptLoad(text)).toBe(sha)
  expect(await raw.scriptExists(sha, '0'.repeat(40))).toEqual([1, 0])
  expect(await raw.evalsha(sha.toUpperCase(), [], [])).toBe('loaded')
  const results = await raw.multi().scriptLoad(text).evalsha(sha, [], []).exec()
  expect(results as unknown[]).toEqual([sha, 'loaded'])
})

test.skipIf(!hasRedisServer)('other flags of a script stay (js-redis-server knows no shebang)', async () => {
  const writing = '#!lua flags=no-writes,allow-key-locking\nreturn redis.call("SET", KEYS[1], "x")'
  await expect(raw.eval(writing, ['k'], [])).rejects.toThrow('Write commands are not allowed from read-only scripts')
})

test('a subscription of the client brings what is published', async () => {
  const subscription = redis.subscribe<{ n: number }>(['chat'])
  const received: unknown[] = []
  await new Promise((resolve) => subscription.on('subscribe', resolve))
  const both = new Promise<void>((resolve) =>
    subscription.on('message', ({ channel, message }) => {
      received.push([channel, message])
      if (received.length === 2) resolve()
    }),
  )
  expect(await redis.publish('chat', { n: 1 })).toBe(1)
  await redis.publish('chat', 'æøå, and a comma')
  await both
  expect(received).toEqual([
    ['chat', { n: 1 }],
    ['chat', 'æøå, and a comma'],
  ])
  await subscription.unsubscribe()
})

test('so does a subscription to a pattern', async () => {
  const subscription = redis.psubscribe<{ n: number }>(['news.*'])
  await new Promise((resolve) => subscription.on('psubscribe', resolve))
  const received = new Promise((resolve) => subscription.on('pmessage', resolve))
  await redis.publish('news.sport', { n: 1 })
  expect(await received).toEqual({ pattern: 'news.*', channel: 'news.sport', message: { n: 1 } })
  await subscription.unsubscribe()
})
