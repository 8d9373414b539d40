import { afterAll, expect, test } from 'bun:test'
import { createGateway, createGatewayToken } from '../../../../adapters/gateway/index.ts'
import { openClient } from '../../../../adapters/gateway/redis/open.ts'
import { slotOf } from '../../../../adapters/gateway/redis/slot.ts'
import { systemClock } from '../../../../src/clock.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { redisCli, startCluster } from '../../../support/redis-cluster.ts'
import { createCaller, readLines, TOKEN, until } from '../subject.ts'

const cluster = await startCluster()
const withCluster = test.skipIf(!cluster)
const { url, nodes } = cluster ?? ({} as NonNullable<typeof cluster>)
const gateway = cluster ? await createGateway({ redis: url, tokens: [TOKEN] }) : undefined
const { send, request } = createCaller(gateway ?? { fetch: () => Promise.reject(new Error('no cluster')) })
afterAll(async () => {
  await gateway?.close()
  await cluster?.stop()
})

const port = (at: number) => nodes[at]?.port as number
const post = async (path: string, commands: readonly unknown[]) => {
  const response = await request(path, commands)
  return [response.status, await response.json()]
}

/** A key of each node, in the order of the slots. */
const KEYS = ['b', 'c', 'a'] as const

withCluster('slots are those of Redis, by what is in the first braces', async () => {
  for (const key of ['', 'a', 'user:1000', '{user}:1', 'x{user}y{other}', '{}x', 'a{', '}{a}', 'blåbær', '日本'])
    expect([key, String(slotOf(key))]).toEqual([key, await redisCli(port(0), 'cluster', 'keyslot', key)])
  expect(slotOf(Buffer.from('{user}:1'))).toBe(slotOf('user'))
})

withCluster('tokens with rights and limits hold before a cluster, whose command table is the same', async () => {
  const { token, record } = await createGatewayToken({ prefixes: ['own:'] })
  const narrow = await createGateway({ redis: url, tokens: [record, TOKEN], maxReplyBytes: 10, maxSubscribers: 1 })
  const call = async (authorized: string, path: string, body?: unknown) => {
    const headers = { authorization: `Bearer ${authorized}` }
    const init = body === undefined ? { headers } : { method: 'POST', body: JSON.stringify(body), headers }
    const response = await narrow.fetch(new Request(`http://gateway${path}`, init))
    return [response.status, await response.json()]
  }
  const commands = [
    ['MSET', 'own:a', 1, 'own:b', 2],
    ['GET', 'other'],
    ['SETRANGE', 'own:a', 0, 'x'.repeat(11)],
    ['GET', 'own:a'],
    ['KEYS', '*'],
  ]
  expect(await call(token, '/pipeline', commands)).toEqual([
    200,
    [
      { result: 'OK' },
      { error: expect.stringContaining('one of the keys') },
      { result: 11 },
      { error: 'ERR max response size exceeded. Limit: 10, Actual: 11' },
      { error: expect.stringContaining("'keys'") },
    ],
  ])
  const tooLarge = { error: 'ERR max response size exceeded. Limit: 10, Actual: 12' }
  expect(
    await call(TOKEN, '/pipeline', [
      ['MGET', 'own:a', 'own:b'],
      ['GET', 'own:b'],
    ]),
  ).toEqual([200, [tooLarge, { result: '2' }]])
  expect(
    await call(TOKEN, '/multi-exec', [
      ['GET', 'own:a'],
      ['STRLEN', 'own:a'],
    ]),
  ).toEqual([400, { error: 'ERR max response size exceeded. Limit: 10, Actual: 13' }])
  // What a cluster does not have takes no seat from anybody.
  for (let round = 0; round < 3; round++) expect((await call(TOKEN, '/monitor'))[0]).toBe(400)
  expect((await call(TOKEN, '/del/own:a/own:b'))[0]).toBe(200)
  await narrow.close()
})

withCluster('a pipeline over several nodes is answered in order, each command after those before it', async () => {
  expect(new Set(KEYS.map((key) => Math.floor(slotOf(key) / 5_461))).size).toBe(3)
  const [a, b, c] = KEYS
  for (let round = 0; round < 20; round++)
    expect(
      await post('/pipeline', [
        ['MSET', a, round, b, round, c, round],
        ['INCR', a],
        ['MGET', c, b, a, 'none'],
        ['SET', a, 'x'],
        ['GET', a],
        ['DEL', a, b, c],
        ['LPUSH', b, 1],
        ['GET', b],
        ['DEL', b],
        ['DBSIZE'],
      ]),
    ).toEqual([
      200,
      [
        { result: 'OK' },
        { result: round + 1 },
        { result: [`${round}`, `${round}`, `${round + 1}`, null] },
        { result: 'OK' },
        { result: 'x' },
        { result: 3 },
        { result: 1 },
        { error: 'WRONGTYPE Operation against a key holding the wrong kind of value' },
        { result: 1 },
        { result: 0 },
      ],
    ])
})

withCluster('a transaction is of one slot, and one of several is refused as a whole', async () => {
  expect(
    await post('/multi-exec', [
      ['SET', '{a}1', 1],
      ['INCR', '{a}1'],
      ['EVAL', "return redis.call('GET', KEYS[1])", 1, '{a}1'],
    ]),
  ).toEqual([200, [{ result: 'OK' }, { result: 2 }, { result: '2' }]])
  expect(
    await post('/multi-exec', [
      ['INCR', '{a}1'],
      ['INCR', '{b}1'],
    ]),
  ).toEqual([400, { error: "CROSSSLOT Keys in request don't hash to the same slot" }])
  expect(await send('GET', '{a}1')).toEqual([200, '{"result":"2"}'])
  expect(await send('EVAL', 'return 1', 2, 'a', 'b')).toEqual([
    400,
    '{"error":"CROSSSLOT Keys in request don\'t hash to the same slot"}',
  ])
})

withCluster('scripts go to the node of their keys, a loaded one to all, and what is about all asks all', async () => {
  const [, loaded] = await send('SCRIPT', 'LOAD', "return redis.call('INCR', KEYS[1])")
  for (const key of KEYS)
    expect(await send('EVALSHA', JSON.parse(loaded).result, 1, `{${key}}2`)).toEqual([200, '{"result":1}'])
  const [, keys] = await send('KEYS', '*2')
  expect(JSON.parse(keys).result.sort()).toEqual(['{a}2', '{b}2', '{c}2'])
  const found: string[] = []
  for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
    const [next, page] = JSON.parse((await send('SCAN', cursor, 'MATCH', '*2'))[1]).result
    cursor = next
    found.push(...page)
  }
  expect(found.sort()).toEqual(['{a}2', '{b}2', '{c}2'])
})

withCluster('messages reach subscribers from whichever node they are published on', async () => {
  const stream = readLines(await request('/subscribe/chat'))
  expect(await stream.next()).toBe('data: subscribe,chat,1')
  for (let at = 0; at < 3; at++) {
    await redisCli(port(at), 'publish', 'chat', `from ${at}`)
    expect(await stream.next()).toBe(`data: message,chat,from ${at}`)
  }
  await stream.close()
})

withCluster('a key that moves to another node is found there, while it moves and after', async () => {
  const key = '{moving}1'
  const slot = String(slotOf(key))
  const before = JSON.parse((await send('SET', key, '1'))[1])
  expect(before).toEqual({ result: 'OK' })
  const ids = await Promise.all(nodes.map((node) => redisCli(node.port, 'cluster', 'myid')))
  const counts = await Promise.all(nodes.map((node) => redisCli(node.port, 'cluster', 'countkeysinslot', slot)))
  const from = counts.indexOf('1')
  const to = (from + 1) % 3
  await redisCli(port(to), 'cluster', 'setslot', slot, 'importing', String(ids[from]))
  await redisCli(port(from), 'cluster', 'setslot', slot, 'migrating', String(ids[to]))
  await redisCli(port(from), 'migrate', '127.0.0.1', String(port(to)), key, '0', '5000')
  // The library follows ASK, and later MOVED.
  expect(await send('INCR', key)).toEqual([200, '{"result":2}'])
  for (const each of nodes) await redisCli(each.port, 'cluster', 'setslot', slot, 'node', String(ids[to]))
  expect(await post('/multi-exec', [['INCR', key]])).toEqual([200, [{ result: 3 }]])
  expect(
    await post('/pipeline', [
      ['INCR', key],
      ['GET', key],
    ]),
  ).toEqual([200, [{ result: 4 }, { result: '4' }]])
})

withCluster('a node that does not answer is 503 for what is on it, and the others go on', async () => {
  const clock = createVirtualClock()
  const own = await createGateway({ redis: url, tokens: [TOKEN], clock, deadlineMs: 5_000 })
  const caller = createCaller(own)
  const frozen = nodes[0]
  const [onIt = '', elsewhere = ''] = KEYS
  const stream = readLines(await caller.request('/subscribe/news'))
  expect(await stream.next()).toBe('data: subscribe,news,1')
  process.kill(frozen?.pid as number, 'SIGSTOP')
  let overdue: Response | undefined
  void caller.request('/', ['GET', onIt]).then((response) => {
    overdue = response
  })
  while (!overdue) await clock.advance(1_000)
  expect([overdue.status, overdue.headers.get('retry-after')]).toEqual([503, '1'])
  // Little by little: sockets take their own time.
  const answers = (key: string) => async () => {
    await clock.advance(20)
    return (await caller.send('SET', key, '1'))[0]
  }
  await until(answers(elsewhere), 200)
  expect((await caller.send('MSET', elsewhere, '2', onIt, '2'))[0]).toBe(503)
  process.kill(frozen?.pid as number, 'SIGCONT')
  await until(answers(onIt), 200)
  expect(await caller.send('GET', elsewhere)).toEqual([200, '{"result":"1"}'])
  await own.close()
})

withCluster(
  'what was subscribed to is heard on a new connection as well, and one that a node closes is made anew',
  async () => {
    const client = openClient(url, { clock: systemClock, hasBeenReady: () => true })
    await client.connect()
    let hear = (_: string) => {}
    await client.subscribe('again', (message) => hear(String(message)), true)
    client.destroy()
    await client.connect()
    const heard = new Promise<string>((resolve) => {
      hear = resolve
    })
    await redisCli(port(0), 'publish', 'again', 'still here')
    expect(await heard).toBe('still here')
    await client.close()
    await redisCli(port(0), 'client', 'kill', 'type', 'normal')
    await until(async () => (await send('SET', KEYS[0], '1'))[0], 200)
  },
)

withCluster('nobody can watch the commands of a whole cluster', async () => {
  const client = openClient(url, { clock: systemClock, hasBeenReady: () => false })
  await expect(client.monitor(() => {})).rejects.toThrow('ERR MONITOR is not available on a cluster')
})

test('nodes that are away are an error at the start', async () => {
  const started = createGateway({ redis: 'redis+cluster://:hunter2@127.0.0.1:1', tokens: [TOKEN] })
  await expect(started).rejects.toThrow('expected an answer of the redis broker, got ECONNREFUSED')
})
