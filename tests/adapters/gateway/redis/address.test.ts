import { expect, test } from 'bun:test'
import { parseAddress, placeOf, userOf, withCredentials } from '../../../../adapters/gateway/redis/address.ts'

test('one server is what the library reads from its url', () => {
  for (const url of ['redis://h', 'unix:///a/b.sock', 'redis://u:p@h:1/2'])
    expect(parseAddress(url)).toEqual({ kind: 'server', tls: false, url })
  expect(parseAddress('rediss://h')).toEqual({ kind: 'server', tls: true, url: 'rediss://h' })
})

test('another user takes the place of the one in the url, and all else stays', () => {
  const other = { username: 'a/da@', password: 'p:$&@/? %' }
  const userInfo = 'a%2Fda%40:p%3A%24%26%40%2F%3F%20%25@'
  for (const [before, after] of [
    ['redis://h', `redis://${userInfo}h`],
    ['rediss://:p@h:1/2', `rediss://${userInfo}h:1/2`],
    ['redis://u:p@ss@h/1?a=@', `redis://${userInfo}h/1?a=@`],
    ['unix:///a@b.sock?db=1', `unix://${userInfo}/a@b.sock?db=1`],
    ['unix://u:p@/b.sock', `unix://${userInfo}/b.sock`],
    ['redis+sentinel://u@a:1,b:2/main/3', `redis+sentinel://${userInfo}a:1,b:2/main/3`],
    ['rediss+cluster://a:1,b:2', `rediss+cluster://${userInfo}a:1,b:2`],
  ] as const)
    expect([before, withCredentials(before, other)]).toEqual([before, after])
})

test('sentinels have a name for their primary, and may have a user of their own', () => {
  expect(parseAddress('redis+sentinel://one,two:1,[::1]:2/main')).toEqual({
    kind: 'sentinel',
    tls: false,
    sentinels: [
      { host: 'one', port: 26_379 },
      { host: 'two', port: 1 },
      { host: '::1', port: 2 },
    ],
    name: 'main',
    database: 0,
    credentials: {},
    sentinelCredentials: {},
  })
  const url = 'rediss+sentinel://ada:p%40ss:x@one/a%20name/3?sentinel_username=bob&sentinel_password=q%26'
  expect(parseAddress(url)).toMatchObject({
    tls: true,
    name: 'a name',
    database: 3,
    credentials: { username: 'ada', password: 'p@ss:x' },
    sentinelCredentials: { username: 'bob', password: 'q&' },
  })
})

test('a cluster has some of its nodes, and no databases', () => {
  expect(parseAddress('redis+cluster://:secret@a,b:7001/0')).toEqual({
    kind: 'cluster',
    tls: false,
    nodes: [
      { host: 'a', port: 6379 },
      { host: 'b', port: 7001 },
    ],
    credentials: { password: 'secret' },
  })
  expect(parseAddress('rediss+cluster://a')).toMatchObject({ tls: true })
})

test.each([
  ['another protocol', 'http://:hunter2@h', 'another'],
  ['a port beyond all of one server', 'redis://:hunter2@a:65536', 'one that cannot be read'],
  ['a database of one server that is a word', 'redis://:hunter2@a/x', 'one that cannot be read'],
  ['a socket without a path', 'unix://:hunter2@a', 'one that cannot be read'],
  ['broken encoding for one server', 'redis://:hunter2%@a', 'a part that is not percent-encoded UTF-8'],
  ['no host', 'redis+cluster://:hunter2@', 'another'],
  ['an empty node', 'redis+cluster://:hunter2@a,,b', 'a node that is no host:port'],
  ['a port beyond all', 'redis+cluster://:hunter2@a:65536', 'a node that is no host:port'],
  ['a database of a cluster', 'redis+cluster://:hunter2@a/1', 'a cluster with a database other than 0'],
  ['sentinels without a name', 'redis+sentinel://:hunter2@a', 'sentinels without the name of a primary behind them'],
  ['a database that is a word', 'redis+sentinel://:hunter2@a/main/x', 'a database that is no number'],
  ['broken encoding', 'redis+sentinel://:hunter2%@a/main', 'a part that is not percent-encoded UTF-8'],
])('%s is refused without a word of the url', (_, url, got) => {
  let error: unknown
  try {
    parseAddress(url)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toMatchObject({ name: 'InvalidOption', option: 'redis' })
  expect(String(error)).toEndWith(`got ${got}`)
  expect(String(error)).not.toContain('hunter2')
})

test.each([
  ['redis://h:1', 'default'],
  ['redis://:p@h', 'default'],
  ['redis://ada@h', 'ada'],
  ['redis://ada:p@ss@h:1', 'ada'],
  ['redis://a@da:p@h:1', 'a@da'],
  ['unix://a%20da:p@/a@b.sock', 'a da'],
  ['unix:///a:b@c', 'default'],
  ['redis+cluster://ada:p:q@a,b', 'ada'],
  ['rediss+sentinel://:p@one/main?sentinel_username=bob', 'default'],
])('as whom %s is asked', (url, user) => {
  expect(userOf(url)).toBe(user)
})

test('where Redis is can be said without its password', () => {
  const places = [
    'redis://u:p@h:1/2',
    'unix://u:p@/a/b.sock?db=1',
    'redis+sentinel://:p@a,b:1/main',
    'redis+cluster://c',
  ]
  expect(places.map((url) => placeOf(parseAddress(url)))).toEqual(['h:1/2', '/a/b.sock', 'a:26379,b:1', 'c:6379'])
})
