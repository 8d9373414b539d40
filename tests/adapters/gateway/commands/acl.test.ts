import { afterAll, expect, test } from 'bun:test'
import { Redis } from '@upstash/redis'
import {
  createGateway,
  createGatewayToken,
  type Gateway,
  type GatewayEvent,
  type GatewayOptions,
  type GatewayRequest,
  type GatewayTokens,
} from '../../../../adapters/gateway/index.ts'
import { createSeal, toSealed } from '../../../../adapters/gateway/tokens/acl-token.ts'
import { listen } from '../../../../adapters/runtimes/listen.ts'
import { createVirtualClock, settled } from '../../../support/clock.ts'
import { startRedis } from '../../../support/redis-server.ts'
import { hasRedisServer, readLines, TOKEN, until } from '../subject.ts'

const withRedis = (name: string, run: () => Promise<void>) =>
  test.skipIf(!hasRedisServer)(hasRedisServer ? name : `${name} (needs redis-server on the PATH)`, run)

const redis = hasRedisServer ? await startRedis() : null
afterAll(() => redis?.stop())

const PASSWORD = 'p@ss: w/%41'

/** Why Redis, or the gateway in its place, does not do something. */
const WRONGPASS = [401, { error: 'WRONGPASS invalid or missing auth token' }]
const noPermission = (text: string) => [400, { error: expect.stringMatching(new RegExp(`^NOPERM .*${text}`)) }]

async function setUp(options: Partial<GatewayOptions> = {}) {
  const clock = createVirtualClock()
  const events: GatewayEvent[] = []
  const gateway = await createGateway({
    redis: String(redis?.url),
    tokens: [TOKEN],
    clock,
    onEvent: (event) => events.push(event),
    ...options,
  })
  const admin = callerWith(gateway, TOKEN)
  return { clock, events, gateway, ...admin, [Symbol.asyncDispose]: () => gateway.close() }
}

function callerWith(gateway: Pick<Gateway, 'fetch'>, token: string) {
  const request = (path: string, body?: unknown, headers: Record<string, string> = {}) =>
    gateway.fetch(
      new Request(`http://gateway${path}`, {
        headers: { authorization: `Bearer ${token}`, ...headers },
        ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      }),
    )
  const post = async (path: string, body?: unknown, headers?: Record<string, string>) => {
    const response = await request(path, body, headers)
    return [response.status, await response.json()]
  }
  const send = (...command: readonly unknown[]) => post('/', command)
  const result = async (...command: readonly unknown[]) => ((await send(...command))[1] as { result: string }).result
  return { token, request, post, send, result }
}

type Caller = ReturnType<typeof callerWith> & { readonly gateway: Gateway }

/** A user of Redis's, and whoever calls with an ACL token of the user's. */
async function userOf(admin: Caller, name: string, ...rules: readonly string[]) {
  expect(await admin.send('ACL', 'SETUSER', name, 'reset', 'on', `>${PASSWORD}`, ...rules)).toEqual([
    200,
    { result: 'OK' },
  ])
  return callerWith(admin.gateway, await admin.result('ACL', 'RESTTOKEN', name, PASSWORD))
}

/** Reads whatever comes until it ends. */
async function toEnd(stream: ReturnType<typeof readLines>): Promise<void> {
  while ((await stream.next()) !== null);
}

withRedis('requests with an ACL token run as its user: Redis says which commands, keys and channels', async () => {
  await using admin = await setUp()
  const ada = await userOf(admin, 'ada', '~web:*', '&web:*', '+@all', '-del', '-monitor')
  expect(await ada.send('ACL', 'WHOAMI')).toEqual([200, { result: 'ada' }])
  expect(await ada.send('SET', 'web:a', 'å')).toEqual([200, { result: 'OK' }])
  expect(await ada.send('SET', 'other', '1')).toEqual(noPermission('keys'))
  expect(await ada.send('DEL', 'web:a')).toEqual(noPermission("'del'"))
  expect(await ada.send('PUBLISH', 'other', '1')).toEqual(noPermission('channels'))
  // What a script reaches, too.
  expect((await ada.send('EVAL', "return redis.call('GET', 'other')", 0))[0]).toBe(400)
  expect(await ada.post('/get/web:a')).toEqual([200, { result: 'å' }])
  expect(await ada.post(`/get/web:a?_token=${ada.token}`, undefined, { authorization: '' })).toEqual([
    200,
    { result: 'å' },
  ])
  const commands = [
    ['GET', 'web:a'],
    ['GET', 'other'],
    ['SELECT', 0],
    ['BLPOP', 'web:a', 0],
  ]
  expect(await ada.post('/pipeline', commands)).toEqual([
    200,
    [
      { result: 'å' },
      noPermission('keys')[1],
      { result: 'OK' },
      { error: expect.stringContaining('ERR Command is not available') },
    ],
  ])
  expect(await ada.post('/multi-exec', commands.slice(0, 1))).toEqual([200, [{ result: 'å' }]])
  expect((await ada.post('/multi-exec', commands.slice(0, 2)))[0]).toBe(400)
  expect(await ada.send('WAIT', 0, 0)).toEqual([200, { result: 0 }])
  const script = '#!lua flags=allow-key-locking\nreturn 1'
  expect(await ada.send('EVAL', script, 0)).toEqual([200, { result: 1 }])
  const sha = new Bun.CryptoHasher('sha1').update(script).digest('hex')
  expect(await ada.send('EVALSHA', sha, 0)).toEqual([200, { result: 1 }])
})

withRedis('a transaction of a user who may not MULTI, or not EXEC, does nothing', async () => {
  await using admin = await setUp()
  for (const [rules, refused] of [
    [['+incr', '+exec'], 'multi'],
    [['+incr', '+multi'], 'exec'],
  ] as const) {
    const ada = await userOf(admin, 'ada', '~*', ...rules)
    await admin.send('DEL', 'acl:n')
    expect(await ada.post('/multi-exec', [['INCR', 'acl:n']])).toEqual([
      400,
      { error: expect.stringContaining(`NOPERM this user has no permissions to run the '${refused}' command`) },
    ])
    expect(await admin.send('GET', 'acl:n')).toEqual([200, { result: null }])
  }
  const ada = await userOf(admin, 'ada', '~*', '+incr', '+multi', '+exec')
  expect(await ada.post('/multi-exec', [['INCR', 'acl:n']])).toEqual([200, [{ result: 1 }]])
})

withRedis('streams are those of the user, and end when Redis puts the user out', async () => {
  await using admin = await setUp()
  const ada = await userOf(admin, 'ada', '~*', '&web:*', '+@all', '-monitor')
  for (const path of ['/subscribe/other', '/psubscribe/*'])
    expect(await ada.post(path)).toEqual(noPermission('channels'))
  expect(await ada.post('/monitor')).toEqual(noPermission("'monitor'"))
  const stream = readLines(await ada.request('/psubscribe/web:*'))
  expect(await stream.next()).toBe('data: psubscribe,web:*,1')
  await admin.send('PUBLISH', 'web:a', 'hello')
  expect(await stream.next()).toBe('data: pmessage,web:*,web:a,hello')
  await admin.send('ACL', 'SETUSER', 'ada', 'resetchannels', '&other:*')
  expect(await stream.next()).toBeNull()

  const other = readLines(await ada.request('/subscribe/other:a'))
  expect(await other.next()).toBe('data: subscribe,other:a,1')
  await admin.send('ACL', 'DELUSER', 'ada')
  expect(await other.next()).toBeNull()
  expect(await ada.post('/subscribe/other:a')).toEqual(WRONGPASS)

  const watcher = await userOf(admin, 'watcher', '+monitor')
  const watched = readLines(await watcher.request('/monitor'))
  expect(await watched.next()).toBe('data: "OK"')
  await admin.gateway.close()
  expect(await watched.next()).toBeNull()
})

withRedis(
  'streams end within five seconds once their user is off, has another password, or may do something else',
  async () => {
    await using admin = await setUp({ heartbeatMs: 1e9 })
    for (const [rules, status] of [
      [['off'], 401],
      [['resetpass', '>other'], 401],
      [['-subscribe'], 400],
      [['~more:*'], 200],
    ] as const) {
      const ada = await userOf(admin, 'ada', '~*', '&*', '+@all')
      const streams = [readLines(await ada.request('/subscribe/a')), readLines(await ada.request('/monitor'))]
      await admin.clock.advance(5_000)
      for (const stream of streams) expect(await stream.next()).toMatch(/^data: ("OK"|subscribe,a,1)$/)
      await admin.send('ACL', 'SETUSER', 'ada', ...rules)
      const ended = Promise.all(streams.map(toEnd))
      await admin.clock.advance(5_000)
      await ended
      const next = await ada.request('/subscribe/a')
      expect([rules, next.status]).toEqual([rules, status])
      await next.body?.cancel()
    }
  },
)

withRedis('a long pipeline of a user ends as it began when the user is changed meanwhile', async () => {
  await using admin = await setUp()
  const ada = await userOf(admin, 'ada', '+@all')
  const pipeline = ada.post(
    '/pipeline',
    Array.from({ length: 20_000 }, () => ['PING']),
  )
  await admin.send('ACL', 'SETUSER', 'ada', '~more:*')
  await admin.clock.advance(1_000)
  expect((await ada.send('PING'))[0]).toBe(200)
  const [status, replies] = await pipeline
  expect([status, new Set(replies.map(({ result }: { result: string }) => result))]).toEqual([200, new Set(['PONG'])])
  await until(() => clientsOf(admin), 2)
})

withRedis('a stream of a user that is refused leaves the others', async () => {
  await using admin = await setUp()
  const ada = await userOf(admin, 'ada', '~*', '&web:*', '+@all')
  const stream = readLines(await ada.request('/subscribe/web:a'))
  expect(await stream.next()).toBe('data: subscribe,web:a,1')
  expect(await ada.post('/subscribe/web:a/other')).toEqual(noPermission('channels'))
  await admin.send('PUBLISH', 'web:a', '1')
  expect(await stream.next()).toBe('data: message,web:a,1')
})

withRedis('no token for a wrong password, for a user that is not there, is off, or needs no password', async () => {
  await using admin = await setUp()
  await admin.send('ACL', 'SETUSER', 'ada', 'reset', 'on', '>right')
  await admin.send('ACL', 'SETUSER', 'off', 'reset', 'off', '>right')
  await admin.send('ACL', 'SETUSER', '', 'reset', 'on', '>right')
  await admin.send('ACL', 'SETUSER', 'open', 'reset', 'on', '>right', 'nopass')
  const refused = (user: string) => [400, { error: `ERR Wrong password or user "${user}" does not exist` }]
  for (const [user, password] of [
    ['ada', 'wrong'],
    ['ada', ''],
    ['ada', 'RIGHT'],
    ['Ada', 'right'],
    ['off', 'right'],
    ['nobody', 'right'],
  ] as const)
    expect(await admin.send('ACL', 'RESTTOKEN', user, password)).toEqual(refused(user))
  for (const user of ['open', 'default'])
    expect(await admin.send('ACL', 'RESTTOKEN', user, 'right')).toEqual([
      400,
      { error: `ERR User "${user}" needs no password, and gets no token without one` },
    ])
  for (const command of ['RESTTOKEN', 'RESTTOKEN ada', 'resttoken ada right x', 'GENTOKEN', 'GENTOKEN ada a b']) {
    const name = command.split(' ')[0]?.toLowerCase()
    expect(await admin.send('ACL', ...command.split(' '))).toEqual([
      400,
      { error: `ERR wrong number of arguments for 'acl|${name}' command` },
    ])
  }
  for (const word of ['RESTTOKEN', 'GENTOKEN'])
    expect(await admin.send('ACL', word, '', 'right')).toEqual([400, { error: 'ERR User "" gets no token' }])
  const long = 'x'.repeat(4_096)
  for (const word of ['GENTOKEN', 'RESTTOKEN']) {
    await admin.send('ACL', 'SETUSER', 'ada', `>${long}`)
    expect(await admin.send('ACL', word, 'ada', long)).toEqual([
      400,
      { error: 'ERR user and password are too long for a token' },
    ])
  }
  // An error of one command, as others are.
  expect(
    await admin.post('/pipeline', [['ACL', 'RESTTOKEN', 'ada', 'right'], ['ACL', 'RESTTOKEN', 'ada', 'x'], ['PING']]),
  ).toEqual([200, [{ result: expect.stringMatching(/^tq_acl_/) }, refused('ada')[1], { result: 'PONG' }]])
  expect(
    await admin.post('/multi-exec', [
      ['ACL', 'RESTTOKEN', 'ada', 'right'],
      ['ACL', 'GENTOKEN', 'ada'],
    ]),
  ).toEqual([200, [{ result: expect.stringMatching(/^tq_acl_/) }, { result: expect.stringMatching(/^tq_acl_/) }]])
})

withRedis('GENTOKEN makes a password that is a token as well, before there is a user', async () => {
  await using admin = await setUp()
  const token = await admin.result('ACL', 'GENTOKEN', 'bob')
  expect(await admin.result('ACL', 'GENTOKEN', 'bob')).not.toBe(token)
  const bob = callerWith(admin.gateway, token)
  expect(await bob.send('ACL', 'WHOAMI')).toEqual(WRONGPASS)
  await admin.send('ACL', 'SETUSER', 'bob', 'reset', 'on', `>${token}`, '+@all')
  expect(await bob.send('ACL', 'WHOAMI')).toEqual([200, { result: 'bob' }])
  const fresh = callerWith(admin.gateway, await admin.result('ACL', 'RESTTOKEN', 'bob', token))
  expect(await fresh.send('ACL', 'WHOAMI')).toEqual([200, { result: 'bob' }])
  // It says whose it is: nobody else's password becomes one of bob's.
  await admin.send('ACL', 'SETUSER', 'eve', 'reset', 'on', `>${token}`, '+@all')
  expect(await bob.send('ACL', 'WHOAMI')).toEqual([200, { result: 'bob' }])
})

withRedis('GENTOKEN wraps a password of yours, and RESTTOKEN takes either', async () => {
  await using admin = await setUp()
  const token = await admin.result('ACL', 'GENTOKEN', 'bob', 'mine')
  const bob = callerWith(admin.gateway, token)
  for (const rules of [['>mine'], [`>${token}`], ['>mine', `>${token}`]]) {
    await admin.send('ACL', 'SETUSER', 'bob', 'reset', 'on', '+@all', ...rules)
    expect(await bob.send('ACL', 'WHOAMI')).toEqual([200, { result: 'bob' }])
    const other = callerWith(admin.gateway, await admin.result('ACL', 'RESTTOKEN', 'bob', token))
    expect(await other.send('ACL', 'WHOAMI')).toEqual([200, { result: 'bob' }])
  }
  await admin.send('ACL', 'SETUSER', 'eve', 'reset', 'on', '+@all', '>mine')
  expect((await admin.send('ACL', 'RESTTOKEN', 'eve', token))[0]).toBe(400)
})

withRedis('an ACL token outlives the gateway, and ends with the token that made it', async () => {
  const { token, record } = await createGatewayToken({ all: true, expiresAtMs: createVirtualClock().now() + 10_000 })
  let tokens: GatewayTokens = [TOKEN, record]
  const options = { tokens: () => tokens }
  const first = await setUp(options)
  const ada = await userOf({ ...callerWith(first.gateway, token), gateway: first.gateway }, 'ada', '+@all')
  await first.gateway.close()

  await using second = await setUp(options)
  const again = callerWith(second.gateway, ada.token)
  expect(await again.send('ACL', 'WHOAMI')).toEqual([200, { result: 'ada' }])
  tokens = [TOKEN]
  expect(await again.send('PING')).toEqual(WRONGPASS)
  tokens = [TOKEN, { hash: record.hash, readOnly: true }]
  expect(await again.send('PING')).toEqual(WRONGPASS)
  tokens = [record, TOKEN]
  expect(await again.send('PING')).toEqual([200, { result: 'PONG' }])
  await second.clock.advance(10_000)
  expect(await again.send('PING')).toEqual(WRONGPASS)
})

withRedis('a stream of a user ends with the token that made its own', async () => {
  const { token, record } = await createGatewayToken({ all: true })
  let tokens: GatewayTokens = [TOKEN, record]
  await using admin = await setUp({ tokens: () => tokens })
  const ada = await userOf({ ...callerWith(admin.gateway, token), gateway: admin.gateway }, 'ada', '+@all', '&*')
  const stream = readLines(await ada.request('/subscribe/a'))
  expect(await stream.next()).toBe('data: subscribe,a,1')
  await admin.clock.advance(5_000)
  await admin.send('PUBLISH', 'a', 'goes on')
  expect(await stream.next()).toBe('data: message,a,goes on')
  tokens = [TOKEN]
  await admin.clock.advance(5_000)
  expect(await stream.next()).toBeNull()
})

withRedis('the hash of a random token opens what it has made, and that of one thought up does not', async () => {
  const { token, record } = await createGatewayToken({ all: true })
  await using admin = await setUp({ tokens: [TOKEN, record] })
  const hashOf = (text: string) => new Bun.CryptoHasher('sha256').update(text).digest('hex')
  const opened = async (maker: string, hash: string) => {
    const sealed = toSealed(await callerWith(admin.gateway, maker).result('ACL', 'GENTOKEN', 'ada', 'mine'))
    return sealed && createSeal(hash).open(sealed)
  }
  expect(await opened(token, record.hash)).toEqual({ user: 'ada', password: 'mine' })
  expect(await opened(token, hashOf('another'))).toBeUndefined()
  // Else whoever has an ACL token could guess at its maker as fast as at a hash.
  expect(await opened(TOKEN, hashOf(TOKEN))).toBeUndefined()
})

withRedis('only a token for everything makes them', async () => {
  const { token, record } = await createGatewayToken({ commands: ['acl', '@admin'] })
  await using admin = await setUp({ tokens: [TOKEN, record] })
  const ada = await userOf(admin, 'ada', '+@all')
  for (const command of ['RESTTOKEN', 'GENTOKEN']) {
    expect(await callerWith(admin.gateway, token).send('ACL', command, 'ada', PASSWORD)).toEqual(noPermission("'acl'"))
    // Redis knows no such command.
    expect((await ada.send('ACL', command, 'ada', PASSWORD))[1]).toEqual({
      error: `ERR unknown subcommand '${command}'. Try ACL HELP.`,
    })
  }
})

withRedis('a user that is gone, is off or has got another password is 401, and back when it is back', async () => {
  await using admin = await setUp()
  const ada = await userOf(admin, 'ada', '+@all', '&*')
  const status = async () => (await ada.send('PING'))[0]
  expect(await status()).toBe(200)
  for (const rules of [['off'], ['resetpass', '>other'], ['nopass']]) {
    await admin.send('ACL', 'SETUSER', 'ada', ...rules)
    // Redis goes on with the connection; the gateway looks once a second.
    await admin.clock.advance(1_000)
    expect([rules, await ada.send('PING')]).toEqual([rules, WRONGPASS])
    await admin.send('ACL', 'SETUSER', 'ada', 'resetpass', 'on', `>${PASSWORD}`)
    expect(await status()).toBe(200)
  }
  const stream = readLines(await ada.request('/subscribe/a'))
  expect(await stream.next()).toBe('data: subscribe,a,1')
  await admin.send('ACL', 'SETUSER', 'ada', 'resetpass')
  await admin.clock.advance(1_000)
  expect(await ada.send('PING')).toEqual(WRONGPASS)
  expect(await stream.next()).toBeNull()
  await admin.send('ACL', 'DELUSER', 'ada')
  await until(status, 401)
  expect(await ada.send('PING')).toEqual(WRONGPASS)
  await admin.send('ACL', 'SETUSER', 'ada', 'on', `>${PASSWORD}`, '+@all')
  expect(await status()).toBe(200)
})

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

withRedis('a token that is not as it was made, or made elsewhere, is 401', async () => {
  await using admin = await setUp()
  await using elsewhere = await setUp({ tokens: [`${TOKEN}2`] })
  const ada = await userOf(admin, 'ada', '+@all')
  const changed = Array.from(ada.token, (digit, at) => {
    const other = DIGITS[(DIGITS.indexOf(digit) + 1) % DIGITS.length]
    return `${ada.token.slice(0, at)}${other}${ada.token.slice(at + 1)}`
  })
  const cut = [1, 7, 8, 40, ada.token.length - 4, ada.token.length - 1].map((length) => ada.token.slice(0, length))
  const longer = [`${ada.token}A`, `${ada.token}=`, `${ada.token}AAAA`, 'tq_acl_AAAA', `tq_acl_${'A'.repeat(38)}`]
  for (const token of [...changed, ...cut, ...longer])
    expect([token, await callerWith(admin.gateway, token).send('PING')]).toEqual([token, WRONGPASS])
  expect(await callerWith(elsewhere.gateway, ada.token).send('PING')).toEqual(WRONGPASS)
  expect([toSealed(`tq_acl_${'A'.repeat(4_000)}`), toSealed(`tq_acl_${'A'.repeat(4_096)}`)]).toEqual([
    expect.anything(),
    undefined,
  ])
  expect(await ada.send('PING')).toEqual([200, { result: 'PONG' }])
})

/** How often Redis was asked who somebody is, let somebody in, and was connected to. */
async function countsOf({ result }: Caller) {
  const [stats, clients] = [await result('INFO', 'commandstats'), await result('INFO', 'stats')]
  const calls = (name: string) => Number(stats.match(new RegExp(`cmdstat_${name}:calls=(\\d+)`))?.[1] ?? 0)
  const connections = Number(clients.match(/total_connections_received:(\d+)/)?.[1])
  return { auths: calls('auth'), looks: calls('acl\\|getuser'), connections }
}

withRedis(
  '10,000 tokens of strangers ask Redis for nothing, and one user’s requests share a look and a connection',
  async () => {
    await using admin = await setUp()
    await using elsewhere = await setUp({ tokens: ['elsewhere', TOKEN] })
    const ada = await userOf(admin, 'ada', '+@all')
    const before = await countsOf(admin)
    const strangers = Array.from({ length: 10_000 }, (_, at) => {
      const bytes = new Bun.CryptoHasher('sha512').update(String(at)).digest()
      return `tq_acl_${bytes.toString('base64url')}`
    })
    const statuses = await Promise.all(
      strangers.map(async (token) => (await callerWith(admin.gateway, token).send('PING'))[0]),
    )
    expect(new Set(statuses)).toEqual(new Set([401]))
    expect(await countsOf(admin)).toEqual(before)

    const other = callerWith(admin.gateway, await admin.result('ACL', 'RESTTOKEN', 'ada', PASSWORD))
    const { looks } = await countsOf(admin)
    await Promise.all(Array.from({ length: 100 }, (_, at) => (at % 2 ? ada : other).send('PING')))
    expect(await countsOf(admin)).toEqual({
      auths: before.auths + 1,
      looks: looks + 1,
      connections: before.connections + 1,
    })
    await admin.clock.advance(1_000)
    await ada.send('PING')
    expect((await countsOf(admin)).looks).toBe(looks + 2)
    expect((await callerWith(elsewhere.gateway, ada.token).send('PING'))[0]).toBe(200)
  },
)

withRedis('a hundred requests with a token that ended ask Redis for their user twice', async () => {
  await using admin = await setUp()
  const ada = await userOf(admin, 'ada', '+@all')
  expect((await ada.send('PING'))[0]).toBe(200)
  await admin.send('ACL', 'SETUSER', 'ada', 'resetpass')
  await admin.clock.advance(1_000)
  const { looks } = await countsOf(admin)
  const answers = await Promise.all(Array.from({ length: 100 }, () => ada.send('PING')))
  for (const answer of answers) expect(answer).toEqual(WRONGPASS)
  expect((await countsOf(admin)).looks).toBe(looks + 2)
})

const clientsOf = async ({ result }: Caller) =>
  Number((await result('INFO', 'clients')).match(/connected_clients:(\d+)/)?.[1])

withRedis('a user’s connection ends when it has been idle, and not while it has a stream', async () => {
  // Redis would have to answer heartbeats, and looks at the user, within a time that is not its own.
  await using admin = await setUp({ heartbeatMs: 1e9, deadlineMs: 1e9 })
  const ada = await userOf(admin, 'ada', '+@all', '&*')
  // Those of gateways before it are gone by then.
  await until(() => clientsOf(admin), 1)
  expect((await ada.send('PING'))[0]).toBe(200)
  const stream = await ada.request('/subscribe/a')
  expect(await clientsOf(admin)).toBe(3)
  await admin.clock.advance(900_000)
  expect(await clientsOf(admin)).toBe(3)
  await stream.body?.cancel()
  await admin.clock.advance(600_000)
  await until(() => clientsOf(admin), 1)
  expect((await ada.send('PING'))[0]).toBe(200)
})

withRedis(
  'of more than a hundred users the one that was idle for longest makes room, and none that is busy',
  async () => {
    await using admin = await setUp()
    const users = []
    for (let at = 0; at <= 100; at++) users.push(await userOf(admin, `user-${at}`, '+@all', '&*'))
    const before = await clientsOf(admin)
    for (const user of users) {
      expect((await user.send('PING'))[0]).toBe(200)
      await admin.clock.advance(1)
    }
    await until(() => clientsOf(admin), before + 100)
    const { auths } = await countsOf(admin)
    for (const user of users.slice(1)) await user.send('PING')
    expect((await countsOf(admin)).auths).toBe(auths)

    const streams = await Promise.all(users.slice(1).map((user) => user.request('/subscribe/a')))
    expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]))
    const refused = await users[0]?.request('/ping')
    expect([refused?.status, refused?.headers.get('retry-after'), await refused?.json()]).toEqual([
      503,
      '1',
      { error: 'ERR max number of users reached. Limit: 100' },
    ])
    expect((await users[1]?.send('PING'))?.[0]).toBe(200)
    await streams[7]?.body?.cancel()
    expect((await users[0]?.send('PING'))?.[0]).toBe(200)
  },
)

withRedis('a hundred requests at a time wait for replicas, of all users together', async () => {
  const own = await startRedis()
  await using admin = await setUp({ redis: String(own?.url) })
  const ada = await userOf(admin, 'ada', '+@all')
  expect((await ada.send('PING'))[0]).toBe(200)
  const waiting = Array.from({ length: 100 }, () => ada.send('WAIT', 1, 0))
  await settled()
  const refused = [503, { error: 'ERR redis is not available: 100 others wait for its replicas' }]
  expect(await admin.send('WAIT', 0, 0)).toEqual(refused)
  await own?.stop()
  await Promise.all(waiting)
})

withRedis('while Redis is away a user is 503 at once, and works again once it is back', async () => {
  const args = [
    '--user',
    'ada',
    'on',
    `>${PASSWORD}`,
    '~*',
    '&*',
    '+@all',
    '--user',
    'default',
    'on',
    'nopass',
    '~*',
    '+@all',
  ]
  const own = await startRedis({ args })
  const back: (() => void)[] = []
  const events: string[] = []
  const gateway = await createGateway({
    redis: String(own?.url),
    tokens: [TOKEN],
    onEvent: ({ type }) => {
      events.push(type)
      if (type === 'redis.back') back.shift()?.()
    },
  })
  const ada = callerWith(gateway, await callerWith(gateway, TOKEN).result('ACL', 'RESTTOKEN', 'ada', PASSWORD))
  const status = async () => (await ada.send('PING'))[0]
  expect(await status()).toBe(200)
  const stream = readLines(await ada.request('/subscribe/a'))
  expect(await stream.next()).toBe('data: subscribe,a,1')
  await own?.stop()
  await until(status, 503)
  const response = await ada.request('/ping')
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
  const isBack = new Promise<void>((resolve) => back.push(resolve))
  const next = await startRedis({ port: Number(own?.port), args })
  await isBack
  await until(status, 200)
  expect(await stream.next()).toBe('data: subscribe,a,1')
  // Told once, not by every connection.
  expect(events).toEqual(['redis.lost', 'redis.back'])
  await gateway.close()
  await next?.stop()
})

withRedis('what Redis says to a user who connects is an answer as well', async () => {
  await using admin = await setUp({ redis: `${redis?.url}/1` })
  const ada = await userOf(admin, 'ada', '+@all', '-select')
  expect(await ada.send('PING')).toEqual(noPermission("'select'"))
  await admin.send('ACL', 'SETUSER', 'ada', '+select', '>second', '>third')
  const by = async (password: string) =>
    callerWith(admin.gateway, await admin.result('ACL', 'RESTTOKEN', 'ada', password))
  const [second, third] = [await by('second'), await by('third')]
  // This look at the user knows all three passwords, and is not a second old.
  expect((await third.send('PING'))[0]).toBe(200)
  await admin.send('ACL', 'SETUSER', 'ada', '<second')
  expect(await second.send('PING')).toEqual(WRONGPASS)
  expect((await third.send('PING'))[0]).toBe(200)
})

withRedis('why Redis lets a user in no more is said as of any other request', async () => {
  const own = await startRedis({ args: ['--maxclients', '1'] })
  await using admin = await setUp({ redis: String(own?.url) })
  const ada = await userOf(admin, 'ada', '+@all')
  expect(await ada.send('PING')).toEqual([
    503,
    { error: 'ERR redis is not available: ERR max number of clients reached' },
  ])
  await own?.stop()
})

withRedis('closing ends streams of users at once, and lets their requests finish', async () => {
  await using admin = await setUp({ deadlineMs: 1_000 })
  const ada = await userOf(admin, 'ada', '&*', '+@all')
  const stream = readLines(await ada.request('/subscribe/a'))
  expect(await stream.next()).toBe('data: subscribe,a,1')
  const ended: string[] = []
  const waiting = ada.send('WAIT', 1, 0).then((answer) => {
    ended.push('request')
    return answer
  })
  const closing = admin.gateway.close()
  expect(await stream.next()).toBeNull()
  ended.push('stream')
  expect(await waiting).toEqual([200, { result: 0 }])
  await closing
  expect(ended).toEqual(['stream', 'request'])
})

withRedis('where the gateway may not ask Redis for its users, there are no ACL tokens: 503', async () => {
  await using admin = await setUp()
  const ada = await userOf(admin, 'ada', '+@all')
  await userOf(admin, 'narrow', '~*', '&*', '+@all', '-acl')
  const url = String(redis?.url).replace('//', `//narrow:${encodeURIComponent(PASSWORD)}@`)
  await using narrow = await setUp({ redis: url })
  expect(await callerWith(narrow.gateway, ada.token).send('PING')).toEqual([
    503,
    { error: 'ERR redis is not available: ACL GETUSER says NOPERM' },
  ])
  expect(await narrow.send('ACL', 'RESTTOKEN', 'ada', PASSWORD)).toEqual(noPermission("'acl|getuser'"))
})

withRedis('limits hold for users as for others, and nobody of them reads the metrics', async () => {
  await using admin = await setUp({ maxReplyBytes: 1_000, maxCommands: 2, maxSubscribers: 1 })
  const ada = await userOf(admin, 'ada', '~*', '&*', '+@all')
  expect(await ada.send('ECHO', 'x'.repeat(1_001))).toEqual([
    400,
    { error: 'ERR max response size exceeded. Limit: 1000, Actual: 1001' },
  ])
  expect((await ada.post('/pipeline', [['PING'], ['PING'], ['PING']]))[0]).toBe(413)
  const stream = await admin.request('/subscribe/a')
  expect((await ada.request('/subscribe/a')).status).toBe(503)
  await stream.body?.cancel()
  expect((await ada.request('/metrics')).status).toBe(400)
  const commands = async () => /commands_total (\d+)/.exec(await (await admin.request('/metrics')).text())?.[1]
  const before = Number(await commands())
  await ada.post('/pipeline', [['PING'], ['PING']])
  expect(Number(await commands())).toBe(before + 2)
})

withRedis('what a user may not do any more, it is not told from memory either', async () => {
  await using admin = await setUp()
  const ada = await userOf(admin, 'ada', '~*', '+@all')
  await admin.send('DEL', 'acl:n')
  const under = async (caller: Pick<Caller, 'request'>) => {
    const response = await caller.request('/', ['INCR', 'acl:n'], { 'idempotency-key': 'n' })
    return [response.status, response.headers.get('idempotent-replayed'), await response.json()]
  }
  expect(await under(ada)).toEqual([200, null, { result: 1 }])
  expect(await under(ada)).toEqual([200, 'true', { result: 1 }])
  expect(await under(admin)).toEqual([200, null, { result: 2 }])
  await admin.send('ACL', 'SETUSER', 'ada', '-incr')
  await admin.clock.advance(1_000)
  expect(await under(ada)).toEqual([422, null, { error: expect.stringContaining('by the same rights') }])
})

withRedis('no token and no password is in an error, an event or the access log, which names the user', async () => {
  const requests: GatewayRequest[] = []
  await using admin = await setUp({ onRequest: (request) => requests.push(request) })
  const secrets: string[] = [PASSWORD, encodeURIComponent(PASSWORD), 'hunter2', TOKEN]
  const answers: unknown[] = []
  for (const name of ['ada', 'a:b"\u001b[1m\u00fc']) {
    const user = await userOf(admin, name, '+@all', '-get')
    secrets.push(user.token)
    answers.push(await user.send('GET', 'a'), await user.post('/subscribe/x'), await user.send('NOSUCH'))
    answers.push(await admin.send('ACL', 'RESTTOKEN', name, 'hunter2'))
    await admin.send('ACL', 'DELUSER', name)
    await until(async () => {
      const answer = await user.send('PING')
      answers.push(answer)
      return answer[0]
    }, 401)
  }
  await until(async () => requests.filter(({ token }) => token === 'acl:?').length > 3, true)
  expect(new Set(requests.map(({ token }) => token))).toEqual(new Set([undefined, 'acl:ada', 'acl:?']))
  const told = JSON.stringify([answers, admin.events, requests])
  for (const secret of secrets) expect(told).not.toContain(secret)
})

withRedis('@upstash/redis works with an ACL token', async () => {
  await using admin = await setUp()
  const server = await listen(admin.gateway.fetch, { port: 0 })
  const { token } = await userOf(admin, 'ada', '~app:*', '&app:*', '+@all', '-flushall')
  const client = new Redis({ url: server.url, token })
  expect(await client.set('app:user', { name: 'Åse' })).toBe('OK')
  expect(await client.get('app:user')).toEqual({ name: 'Åse' })
  expect(await client.multi().set('app:n', 1).incr('app:n').exec()).toEqual(['OK', 2])
  await expect(client.get('other')).rejects.toThrow('NOPERM')
  await expect(client.flushall()).rejects.toThrow('NOPERM')
  const subscriber = client.subscribe('app:chat')
  const message = new Promise((resolve) => subscriber.on('message', ({ message }) => resolve(message)))
  await new Promise<void>((resolve) => subscriber.on('subscribe', () => resolve()))
  await client.publish('app:chat', 'hello')
  expect(await message).toBe('hello')
  await subscriber.unsubscribe()
  await admin.gateway.close()
  await server.close()
})
