/**
 * The published client's commands, by groups, against a real Redis: each with the shape that the client makes of a reply. The client's
 * own suite says the same at more length, and is run by hand (docs/gateway.md).
 */
import { expect, test } from 'bun:test'
import { Redis } from '@upstash/redis'
import { hasRedisServer, startSubject, TOKEN } from './subject.ts'

const { url } = await startSubject()
const redis = new Redis({ url, token: TOKEN })
/** `bitfield` does not work in the client's pipelines. */
const single = new Redis({ url, token: TOKEN, enableAutoPipelining: false })

const LIBRARY =
  "#!lua name=lib\nredis.register_function{function_name='seven', callback=function() return 7 end, flags={'no-writes'}}"
const SEVEN = new Bun.CryptoHasher('sha1').update('return 7').digest('hex')
const GROUP = ['name', 'g', 'consumers', 2, 'pending', 0]
const FIRST = [
  ['x', [['1-1', ['a', 1, 'b', { c: 2 }]]]],
  ['y', [['3-1', ['d', 4]]]],
]

/** What is done, one after the other, and what the client makes of each reply. */
type Steps = readonly (readonly [call: () => PromiseLike<unknown>, expected: unknown])[]

const GROUPS: Readonly<Record<string, Steps>> = {
  strings: [
    [() => redis.set('s', 'Hello'), 'OK'],
    [() => redis.set('s', 'x', { nx: true }), null],
    [() => redis.set('s', 'hello', { get: true }), 'Hello'],
    [() => redis.append('s', '!'), 6],
    [() => redis.strlen('s'), 6],
    [() => redis.getrange('s', 1, 3), 'ell'],
    [() => redis.setrange('s', 0, 'J'), 6],
    [() => redis.getset('s', { a: 1 }), 'Jello!'],
    [() => redis.get('s'), { a: 1 }],
    [() => redis.getex('s', { ex: 100 }), { a: 1 }],
    [() => redis.ttl('s'), 100],
    [() => redis.getdel('s'), { a: 1 }],
    [() => redis.get('s'), null],
    [() => redis.mset({ s1: 1, s2: 'two', s3: [3] }), 'OK'],
    [() => redis.mget('s1', 's2', 's3', 'none'), [1, 'two', [3], null]],
    [() => redis.msetnx({ s1: 1, s4: 4 }), 0],
    [() => redis.setex('s5', 100, 'v'), 'OK'],
    [() => redis.psetex('s5', 100_000, 'v'), 'OK'],
    [() => redis.setnx('s5', 'w'), 0],
    [() => redis.incr('s1'), 2],
    [() => redis.incrby('s1', 5), 7],
    [() => redis.decr('s1'), 6],
    [() => redis.decrby('s1', 10), -4],
    [() => redis.incrbyfloat('s1', 1.5), -2.5],
  ],
  bits: [
    [() => redis.setbit('b', 7, 1), 0],
    [() => redis.getbit('b', 7), 1],
    [() => redis.bitcount('b', 0, -1), 1],
    [() => redis.bitpos('b', 1, 0), 7],
    [() => redis.set('b2', 'a'), 'OK'],
    [() => redis.bitop('or', 'b3', 'b', 'b2'), 1],
    [
      () => single.bitfield('b4').set('u8', '#0', 250).overflow('SAT').incrby('u8', '#0', 10).get('u4', 0).exec(),
      [0, 255, 15],
    ],
  ],
  keys: [
    [() => redis.mset({ k1: 1, k2: 2 }), 'OK'],
    [() => redis.exists('k1', 'k2', 'none'), 2],
    [() => redis.touch('k1', 'k2'), 2],
    [() => redis.type('k1'), 'string'],
    [() => redis.expire('k1', 100), 1],
    [() => redis.expire('k1', 50, 'GT'), 0],
    [() => redis.persist('k1'), 1],
    [() => redis.pexpire('k1', 100_000), 1],
    [() => redis.pttl('k1').then((ms) => ms > 0 && ms <= 100_000), true],
    [() => redis.expireat('k1', 33_177_117_420), 1],
    [() => redis.pexpireat('k1', 33_177_117_420_000), 1],
    [() => redis.rename('k1', 'k3'), 'OK'],
    [() => redis.renamenx('k3', 'k2'), 0],
    [() => redis.copy('k3', 'k4'), 'COPIED'],
    [() => redis.keys('k[34]').then((keys) => keys.sort()), ['k3', 'k4']],
    [() => redis.scan(0, { match: 'k4', count: 10_000 }), ['0', ['k4']]],
    [() => redis.scan(0, { type: 'hash', count: 10_000 }).then(([, keys]) => keys.includes('k4')), false],
    [() => redis.randomkey().then((key) => typeof key), 'string'],
    [() => redis.unlink('k3', 'k4'), 2],
    [() => redis.del('k2', 'none'), 1],
  ],
  lists: [
    [() => redis.rpush<unknown>('l', 'a', 2, { c: 3 }), 3],
    [() => redis.lpush('l', 'first'), 4],
    [() => redis.lrange('l', 0, -1), ['first', 'a', 2, { c: 3 }]],
    [() => redis.lindex('l', 1), 'a'],
    [() => redis.lset('l', 1, 'b'), 'OK'],
    [() => redis.linsert('l', 'before', 'b', 'a'), 5],
    [() => redis.lpos('l', 'b'), 2],
    [() => redis.lpos('l', 'b', { count: 0 }), [2]],
    [() => redis.lrem('l', 0, 'a'), 1],
    [() => redis.lmove('l', 'l2', 'left', 'right'), 'first'],
    [() => redis.lmpop(2, ['none', 'l2'], 'LEFT'), ['l2', ['first']]],
    [() => redis.lpop('l', 2), ['b', 2]],
    [() => redis.rpop('l'), { c: 3 }],
    [() => redis.rpop('l'), null],
    [() => redis.lpushx('l', 'x'), 0],
    [() => redis.rpushx('l', 'x'), 0],
    [() => redis.llen('l'), 0],
    [() => redis.ltrim('l', 0, 1), 'OK'],
  ],
  sets: [
    [() => redis.sadd<unknown>('e', 'a', 'b', 3), 3],
    [() => redis.smembers('e').then((members) => members.map(String).sort()), ['3', 'a', 'b']],
    [() => redis.sismember('e', 'a'), 1],
    [() => redis.smismember('e', ['a', 'x']), [1, 0]],
    [() => redis.scard('e'), 3],
    [() => redis.sadd('e2', 'a'), 1],
    [() => redis.sinter('e', 'e2'), ['a']],
    [() => redis.sdiff('e2', 'none'), ['a']],
    [() => redis.sintercard(['e', 'e2']), 1],
    [() => redis.sdiffstore('e3', 'e', 'e2'), 2],
    [() => redis.sinterstore('e3', 'e', 'e2'), 1],
    [() => redis.sunionstore('e3', 'e', 'e2'), 3],
    [() => redis.smove('e', 'e2', 'b'), 1],
    [() => redis.srem('e', 'a', 'x'), 1],
    [() => redis.srandmember('e'), 3],
    [() => redis.sscan('e', 0), ['0', [3]]],
    [() => redis.spop('e'), 3],
    [() => redis.sunion('none', 'none2'), []],
  ],
  hashes: [
    [() => redis.hset('h', { a: 1, b: 'two', c: { d: 4 } }), 3],
    [() => redis.hget('h', 'c'), { d: 4 }],
    [() => redis.hmget('h', 'a', 'none'), { a: 1, none: null }],
    [() => redis.hmset('h2', { f: 1, g: { i: 2 } }), 'OK'],
    [() => redis.hgetall('h'), { a: 1, b: 'two', c: { d: 4 } }],
    [() => redis.hgetall('none'), null],
    [() => redis.hkeys('h'), ['a', 'b', 'c']],
    [() => redis.hvals('h'), [1, 'two', { d: 4 }]],
    [() => redis.hlen('h'), 3],
    [() => redis.hexists('h', 'a'), 1],
    [() => redis.hsetnx('h', 'a', 9), 0],
    [() => redis.hstrlen('h', 'b'), 3],
    [() => redis.hincrby('h', 'a', 4), 5],
    [() => redis.hincrbyfloat('h', 'a', 0.5), 5.5],
    [() => redis.hscan('h', 0, { match: 'b' }), ['0', ['b', 'two']]],
    [() => redis.hdel('h', 'b', 'c'), 2],
    [() => redis.hrandfield('h', 1, true), { a: 5.5 }],
  ],
  'sorted sets': [
    [() => redis.zadd('z', { score: 1, member: 'a' }, { score: 2.5, member: 'b' }, { score: 3, member: 'c' }), 3],
    [() => redis.zadd('z', { incr: true }, { score: 1, member: 'a' }), 2],
    [() => redis.zscore('z', 'b'), 2.5],
    [() => redis.zscore('z', 'none'), null],
    [() => redis.zmscore('z', ['a', 'none']), [2, null]],
    [() => redis.zrank('z', 'c'), 2],
    [() => redis.zrevrank('z', 'c'), 0],
    [() => redis.zrange('z', 0, -1, { withScores: true }), ['a', 2, 'b', 2.5, 'c', 3]],
    [() => redis.zrange('z', '(2', '+inf', { byScore: true, offset: 0, count: 1 }), ['b']],
    [() => redis.exec(['ZRANGESTORE', 'z2', 'z', 0, 1]), 2],
    [() => redis.zcard('z'), 3],
    [() => redis.zcount('z', 2, 2.5), 2],
    [() => redis.zlexcount('z', '-', '+'), 3],
    [() => redis.zincrby('z', 1, 'a'), 3],
    [() => redis.zunion(2, ['z', 'z2'], { withScores: true }), ['c', 3, 'a', 5, 'b', 5]],
    [() => redis.zinterstore('z3', 2, ['z', 'z2']), 2],
    [() => redis.zunionstore('z3', 2, ['z', 'z2'], { weights: [2, 1] }), 3],
    [() => redis.zdiffstore('z3', 2, 'z', 'z2'), 1],
    [() => redis.zscan('z3', 0), ['0', ['c', 3]]],
    [() => redis.zrem('z', 'c'), 1],
    [() => redis.zpopmax('z'), ['a', 3]],
    [() => redis.zpopmin('z'), ['b', 2.5]],
    [() => redis.zremrangebyrank('z', 0, -1), 0],
    [() => redis.zremrangebyscore('z', 0, 1), 0],
    [() => redis.zremrangebylex('z', '-', '+'), 0],
  ],
  streams: [
    [() => redis.xadd('x', '1-1', { a: 1, b: { c: 2 } }), '1-1'],
    [() => redis.xadd('x', '2-1', { a: 2 }), '2-1'],
    [() => redis.xlen('x'), 2],
    [() => redis.xrange('x', '-', '+'), { '1-1': { a: 1, b: { c: 2 } }, '2-1': { a: 2 } }],
    [() => redis.xrevrange('x', '+', '-', 1), { '2-1': { a: 2 } }],
    [() => redis.xread('x', '1-1'), [['x', [['2-1', ['a', 2]]]]]],
    [() => redis.xread('x', '9-9'), null],
    [() => redis.xgroup('x', { type: 'CREATE', group: 'g', id: '0' }), 'OK'],
    [() => redis.xgroup('x', { type: 'CREATECONSUMER', group: 'g', consumer: 'me' }), 1],
    [() => redis.xreadgroup('g', 'me', 'x', '>', { count: 1 }), [['x', [['1-1', ['a', 1, 'b', { c: 2 }]]]]]],
    [() => redis.xpending('x', 'g', '-', '+', 10).then(([entry]) => (entry as unknown[]).slice(0, 2)), ['1-1', 'me']],
    [() => redis.xclaim('x', 'g', 'you', 0, '1-1'), [['1-1', ['a', 1, 'b', { c: 2 }]]]],
    [() => redis.xautoclaim('x', 'g', 'me', 0, '0-0'), ['0-0', [['1-1', ['a', 1, 'b', { c: 2 }]]], []]],
    [() => redis.xack('x', 'g', '1-1'), 1],
    [() => redis.xinfo('x', { type: 'CONSUMERS', group: 'g' }).then((consumers) => consumers.length), 2],
    [() => redis.xinfo('x', { type: 'GROUPS' }).then(([group]) => (group as unknown[]).slice(0, 6)), GROUP],
    [() => redis.xgroup('x', { type: 'SETID', group: 'g', id: '$' }), 'OK'],
    [() => redis.xgroup('x', { type: 'DELCONSUMER', group: 'g', consumer: 'you' }), 0],
    [() => redis.xgroup('x', { type: 'DESTROY', group: 'g' }), 1],
    [() => redis.xgroup('x', { type: 'CREATE', group: 'g', id: '0' }), 'OK'],
    [() => redis.xgroup('y', { type: 'CREATE', group: 'g', id: '$', options: { MKSTREAM: true } }), 'OK'],
    [() => redis.xadd('y', '3-1', { d: 4 }), '3-1'],
    [() => redis.xreadgroup('g', 'me', ['x', 'y'], ['>', '>'], { count: 1 }), FIRST],
    [() => redis.xread(['x', 'y'], ['0', '0'], { count: 1 }), FIRST],
    [() => redis.xdel('x', '1-1'), 1],
    [() => redis.xtrim('x', { strategy: 'MAXLEN', exactness: '=', threshold: 0 }), 1],
  ],
  places: [
    [() => redis.geoadd('p', { longitude: 13.361389, latitude: 38.115556, member: 'Palermo' }), 1],
    [() => redis.geoadd('p', { longitude: 15.087269, latitude: 37.502669, member: 'Catania' }), 1],
    [() => redis.geodist('p', 'Palermo', 'Catania', 'KM'), 166.2742],
    [() => redis.geohash('p', 'Palermo'), ['sqc8b49rny0']],
    [() => redis.geopos('p', 'none'), []],
    [
      () =>
        redis.geosearch(
          'p',
          { type: 'FROMLONLAT', coordinate: { lon: 15, lat: 37 } },
          { type: 'BYRADIUS', radius: 100, radiusType: 'KM' },
          'ASC',
        ),
      [{ member: 'Catania' }],
    ],
    [
      () =>
        redis.geosearchstore(
          'p2',
          'p',
          { type: 'FROMMEMBER', member: 'Palermo' },
          { type: 'BYRADIUS', radius: 200, radiusType: 'KM' },
          'ASC',
          { storeDist: true },
        ),
      2,
    ],
    [() => redis.zrange('p2', 0, -1), ['Palermo', 'Catania']],
  ],
  counts: [
    [() => redis.pfadd('c', 'a', 'b', 'c'), 1],
    [() => redis.pfcount('c'), 3],
    [() => redis.pfmerge('c2', 'c'), 'OK'],
  ],
  'scripts and functions': [
    [() => redis.eval('return {KEYS[1], ARGV[1], 3, false}', ['k'], ['v']), ['k', 'v', 3, null]],
    [() => redis.evalRo('return redis.call("GET", KEYS[1])', ['none'], []), null],
    [() => redis.scriptLoad('return 7'), SEVEN],
    [() => redis.evalsha(SEVEN, [], []), 7],
    [() => redis.evalshaRo(SEVEN, [], []), 7],
    [() => redis.scriptExists(SEVEN, '0'.repeat(40)), [1, 0]],
    [() => redis.functions.load({ code: LIBRARY, replace: true }), 'lib'],
    [() => redis.functions.call('seven'), 7],
    [() => redis.functions.callRo('seven'), 7],
    [() => redis.functions.stats().then(({ engines }) => engines.LUA?.functionsCount), 1],
    [() => redis.functions.list().then(([library]) => library?.libraryName), 'lib'],
    [() => redis.functions.delete('lib'), 'OK'],
    [() => redis.functions.flush(), 'OK'],
    [() => redis.scriptFlush(), 'OK'],
  ],
  server: [
    [() => redis.ping(), 'PONG'],
    [() => redis.echo('hello'), 'hello'],
    [() => redis.time().then((parts) => parts.length), 2],
    [() => redis.dbsize().then((size) => size > 0), true],
    [() => redis.publish('nobody', 'x'), 0],
    [() => redis.exec(['MEMORY', 'USAGE', 'none']), null],
    [() => redis.exec(['CONFIG', 'SET', 'notify-keyspace-events', 'KEA']), 'OK'],
    [() => redis.flushdb(), 'OK'],
    [() => redis.flushall(), 'OK'],
    [() => redis.dbsize(), 0],
  ],
}

for (const [group, steps] of Object.entries(GROUPS))
  test.skipIf(!hasRedisServer)(`${group} have the shapes that @upstash/redis expects`, async () => {
    const replies: unknown[] = []
    for (const [call] of steps) replies.push(await call())
    expect(replies).toEqual(steps.map(([, expected]) => expected))
  })

/** What is tested elsewhere: the client's ways of sending commands. */
const WAYS = 'use multi pipeline autoPipeline subscribe psubscribe addTelemetry'
/** What Redis 7.0 lacks: fields that expire, entries that are acknowledged and deleted in one, arrays; `CLIENT` is refused, as by Upstash. */
const LACKING = `hexpire hexpireat hexpiretime hpexpire hpexpireat hpexpiretime httl hpttl hpersist hgetdel hgetex hsetex xackdel xdelex
  arcount ardel ardelrange arget argetrange argrep arinfo arinsert arlastitems arlen armget armset arnext arop arring arscan arseek arset clientSetinfo`

test('every command of @upstash/redis that Redis 7.0 has is among these', () => {
  const called = Object.values(GROUPS).flatMap((steps) =>
    steps.map(([call]) => /(?:redis|single)\.(\w+)/.exec(String(call))?.[1]),
  )
  const known = new Set([...called, ...WAYS.split(' '), ...LACKING.split(/\s+/)])
  const methods = Object.entries(redis).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []))
  expect(methods.length).toBeGreaterThan(150)
  expect(methods.filter((name) => !known.has(name))).toEqual([])
})
