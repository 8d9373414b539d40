import { afterAll, beforeAll, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { createClient } from '@redis/client'
import { withWaits } from '../../../../adapters/gateway/commands/waits.ts'
import { createGateway } from '../../../../adapters/gateway/index.ts'
import type { Command } from '../../../../adapters/gateway/protocol/command.ts'
import type { Connection } from '../../../../adapters/gateway/redis/connection.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { startRedis, type TestRedis } from '../../../support/redis-server.ts'
import { createCaller, hasRedisServer, startSubject, TOKEN, until } from '../subject.ts'

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

const hasWaitAof = hasRedisServer && !(await send('WAITAOF', 0, 0, 0)).includes('unknown command')
test.skipIf(!hasWaitAof)(
  `WAITAOF says whether they are on the disk${hasWaitAof ? '' : ' (needs Redis 7.2 or Valkey)'}`,
  async () => {
    const alone = (await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'no'] })) as TestRedis
    const gateway = await createGateway({ redis: alone.url, tokens: [TOKEN] })
    const caller = createCaller(gateway)
    await caller.send('SET', 'a', '1')
    expect(await caller.send('WAITAOF', 1, 0, 1)).toEqual([200, '{"result":[0,0]}'])
    const client = await createClient({ url: alone.url }).connect()
    await client.configSet('appendfsync', 'always')
    expect(await caller.send('WAITAOF', 1, 0, 0)).toEqual([200, '{"result":[1,0]}'])
    client.destroy()
    await gateway.close()
    await alone.stop()
  },
)

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
    { connect: () => Promise.reject(new Error('no other connection')), deadlineMs: 1_000, clock: createVirtualClock() },
  )
  for (const name of ['WAIT', 'waitaof', 'WAIT\0x', Buffer.from('wait\0\xff', 'latin1')])
    await expect(link([[name, '1', '0']])).rejects.toThrow('no other connection')
  expect(shared).toEqual([])
  expect(await link([['WAITER'], ['']])).toEqual(['OK', 'OK'])
})

test('the WAITs of a request have one connection, and end with half of the deadline', async () => {
  const clock = createVirtualClock()
  const sent: string[] = []
  const said: string[] = []
  const connection = {
    client: {
      async sendAll(commands: readonly Command[]) {
        sent.push((commands.at(-1) ?? []).join(' '))
        await clock.advance(200)
        return commands.map(() => 'OK')
      },
    },
    within: <T>(call: Promise<T>) => call,
    close: async () => void said.push('closed'),
  } as Pick<Connection, 'within' | 'close'> as Connection
  const connect = async () => {
    said.push('connected')
    return connection
  }
  const link = withWaits(async (commands) => commands.map(() => 'OK'), { connect, deadlineMs: 1_000, clock })
  const waits = [
    ['WAIT', '2', '0'],
    ['wait', '1', '100000'],
    ['WAITAOF', '1', '0', '50'],
    ['WAITAOF', '1', 'x', '0'],
  ]
  const commands = [['INCR', 'a'], ...waits, ['INCR', 'a'], ['WAIT', '2', Buffer.from('300')]]
  expect(await link(commands)).toHaveLength(7)
  expect(sent).toEqual(['WAIT 2 500', 'wait 1 300', 'WAITAOF 1 0 50', 'WAITAOF 0 x 0', 'WAIT 0 0'])
  expect(said).toEqual(['connected', 'closed'])
})

withRedis('before each WAIT its connection writes what changes nothing', async () => {
  const { redis, post: plain, send: ask } = await startSubject()
  const client = await createClient({ url: redis.url }).connect()
  const calls = async () => {
    const stats = await client.info('commandstats')
    return ['function|restore', 'ping', 'wait'].map((name) => {
      const [, count = 0] = new RegExp(`^cmdstat_${RegExp.escape(name)}:calls=(\\d+)`, 'm').exec(stats) ?? []
      return Number(count)
    })
  }
  const changes = async () => Number(/rdb_changes_since_last_save:(\d+)/.exec(await client.info('persistence'))?.[1])
  await ask('FUNCTION', 'LOAD', "#!lua name=kept\nredis.register_function('f', function() return 1 end)")
  const functions = await ask('FUNCTION', 'LIST')
  const [before, changesBefore] = [await calls(), await changes()]
  expect(
    await plain('/pipeline', [
      ['WAIT', 0, 0],
      ['WAIT', 0, 0],
    ]),
  ).toEqual([200, '[{"result":0},{"result":0}]'])
  expect((await calls()).map((count, at) => count - (before[at] ?? 0))).toEqual([2, 2, 2])
  expect(await changes()).toBe(changesBefore + 2)
  expect([await ask('DBSIZE'), await ask('FUNCTION', 'LIST')]).toEqual(['{"result":0}', functions])
  expect(functions).toContain('kept')
  client.destroy()
})

withRedis('a user who may not write it waits all the same', async () => {
  const { redis } = await startSubject()
  const client = await createClient({ url: redis.url }).connect()
  await client.sendCommand(['ACL', 'SETUSER', 'ada', 'on', '>pass', '~*', '+@all', '-function'])
  const gateway = await createGateway({ redis: redis.url.replace('//', '//ada:pass@'), tokens: [TOKEN] })
  expect(await createCaller(gateway).send('WAIT', 0, 0)).toEqual([200, '{"result":0}'])
  await gateway.close()
  client.destroy()
})

withRedis('where Redis takes no writes at present, a WAIT is answered with why', async () => {
  const { redis, post: plain } = await startSubject()
  const client = await createClient({ url: redis.url }).connect()
  await client.configSet('min-replicas-to-write', '1')
  expect(await plain('/', ['WAIT', 0, 0])).toEqual([400, '{"error":"NOREPLICAS Not enough good replicas to write."}'])
  expect(await plain('/', ['WAIT', 'x', 0])).toEqual([400, '{"error":"ERR value is not an integer or out of range"}'])
  client.destroy()
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
