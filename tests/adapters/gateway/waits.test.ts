import { afterAll, beforeAll, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { withWaits } from '../../../adapters/gateway/waits.ts'
import { startRedis, type TestRedis } from '../../support/redis-server.ts'
import { hasRedisServer, startSubject, until } from './subject.ts'

/** js-redis-server has no replicas. */
const withRedis = (name: string, run: () => Promise<void>) =>
  test.skipIf(!hasRedisServer)(hasRedisServer ? name : `${name} (needs redis-server on the PATH)`, run)

const { redis, post, send } = await startSubject({ deadlineMs: 8_000 })
const info = async (section: string) => JSON.parse(await send('INFO', section)).result as string

let replica: TestRedis | null = null
beforeAll(async () => {
  if (!hasRedisServer) return
  // It waits 5 s for more replicas otherwise.
  connect(redis.port, '127.0.0.1').end('CONFIG SET repl-diskless-sync-delay 0\r\n')
  replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(redis.port)] })
  await until(async () => (await info('replication')).includes('state=online'), true)
})
afterAll(async () => replica?.stop())

/** While the replica is stopped. */
async function whileStopped(run: () => Promise<void>): Promise<void> {
  const { pid } = replica as TestRedis
  process.kill(pid, 'SIGSTOP')
  await run().finally(() => process.kill(pid, 'SIGCONT'))
}

withRedis('WAIT says how many replicas have the writes before it, whoever sent them', async () => {
  await send('SET', 'a', '1')
  expect(await send('WAIT', 1, 4_000)).toBe('{"result":1}')
  await whileStopped(async () => {
    await send('SET', 'a', '2')
    expect(await send('WAIT', 1, 1)).toBe('{"result":0}')
    expect(await send('WAIT', 0, 0)).toBe('{"result":0}')
  })
  expect(await send('wait', 1, 4_000)).toBe('{"result":1}')
})

withRedis('while one waits, all others are served', async () => {
  let waiting: Promise<string> | undefined
  await whileStopped(async () => {
    await send('SET', 'a', '3')
    waiting = send('WAIT', 1, 4_000)
    await until(async () => (await info('clients')).includes('blocked_clients:1'), true)
    expect(await send('GET', 'a')).toBe('{"result":"3"}')
  })
  expect(await waiting).toBe('{"result":1}')
  await until(async () => (await info('clients')).includes('blocked_clients:0'), true)
})

withRedis('in a pipeline it waits for what stands before it, and in a transaction for nothing', async () => {
  const commands = [
    ['SET', 'p', '1'],
    ['WAIT', 1, 4_000],
    ['INCR', 'p'],
    ['WAIT', 'x', 'y'],
    ['BLPOP', 'p', 0],
    ['GET', 'p'],
  ]
  expect(await post('/pipeline', commands)).toEqual([
    200,
    '[{"result":"OK"},{"result":1},{"result":2},{"error":"ERR value is not an integer or out of range"},' +
      `{"error":"ERR Command is not available: 'BLPOP'. See https://upstash.com/docs/redis/overall/rediscompatibility for details"},` +
      '{"result":"2"}]',
  ])
  await whileStopped(async () => {
    expect(
      await post('/multi-exec', [
        ['SET', 'm', '1'],
        ['WAIT', 1, 0],
      ]),
    ).toEqual([200, '[{"result":"OK"},{"result":0}]'])
  })
})

withRedis('where a WAIT in a pipeline is refused, a key remembers that what stands before it has run', async () => {
  const { fetch: get, post: plain } = await startSubject({ deadlineMs: 2_000 })
  const body = JSON.stringify([
    ['INCR', 'before'],
    ['WAIT', 1, 1_000],
  ])
  const send = async () => {
    const { status, headers } = await get('/pipeline', {
      method: 'POST',
      body,
      headers: { 'idempotency-key': 'partly' },
    })
    return [status, headers.get('idempotent-replayed')]
  }
  const waiting = Array.from({ length: 100 }, () => plain('/', ['WAIT', 1, 500]))
  expect(await send()).toEqual([503, null])
  await Promise.all(waiting)
  expect(await send()).toEqual([503, 'true'])
  expect(await plain('/', ['GET', 'before'])).toEqual([200, '{"result":"1"}'])
})

test('a WAIT is one as Redis reads it: in any case, up to a NUL, and as bytes', async () => {
  const shared: unknown[] = []
  const link = withWaits(
    async (commands) => {
      shared.push(...commands)
      return commands.map(() => 'OK')
    },
    { connect: () => Promise.reject(new Error('no other connection')), deadlineMs: 1_000 },
  )
  for (const name of ['WAIT', 'waitaof', 'WAIT\0x', Buffer.from('wait\0\xff', 'latin1')])
    await expect(link([[name, '1', '0']])).rejects.toThrow('no other connection')
  expect(shared).toEqual([])
  expect(await link([['WAITER'], ['']])).toEqual(['OK', 'OK'])
})

withRedis('a WAIT for ever ends before the deadline, with what has been reached', async () => {
  const hasty = await startSubject({ deadlineMs: 1_000 })
  await hasty.send('SET', 'a', '1')
  for (const reply of await Promise.all([0, 100_000].map((ms) => hasty.post('/', ['WAIT', 1, ms]))))
    expect(reply).toEqual([200, '{"result":0}'])
  expect(hasty.events).toEqual([])
})

withRedis('beyond a hundred that wait, another is told to come again', async () => {
  await whileStopped(async () => {
    await send('SET', 'a', '4')
    const waiting = Array.from({ length: 100 }, () => send('WAIT', 1, 4_000))
    expect(await post('/', ['WAIT', 1, 4_000])).toEqual([
      503,
      '{"error":"ERR redis is not available: 100 others wait for its replicas"}',
    ])
    process.kill((replica as TestRedis).pid, 'SIGCONT')
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['{"result":1}']))
  })
})
