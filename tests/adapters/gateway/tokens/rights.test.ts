import { expect, test } from 'bun:test'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import { createGateway, createGatewayToken, type GatewayToken } from '../../../../adapters/gateway/index.ts'
import type { Reply } from '../../../../adapters/gateway/protocol/encoding.ts'
import { unanswered } from '../../../../adapters/gateway/protocol/refusal.ts'
import { createCatalogLoader, toCatalog } from '../../../../adapters/gateway/redis/catalog.ts'
import { createCheck } from '../../../../adapters/gateway/tokens/rights.ts'
import { createClient } from '../../../../src/client/index.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { seededRandom } from '../../../support/random.ts'
import { hasRedisServer, readLines, startSubject, TOKEN } from '../subject.ts'

/** For what asks Redis which commands it has. */
const withRedis = (name: string, run: () => Promise<void>) =>
  test.skipIf(!hasRedisServer)(hasRedisServer ? name : `${name} (needs redis-server on the PATH)`, run)

const clock = createVirtualClock()
const records: (string | GatewayToken)[] = [TOKEN]
let tokens = [...records]
const { send, post, fetch: get, url } = await startSubject({ tokens: () => tokens, clock })

async function tokenFor(rights: Omit<GatewayToken, 'hash'>): Promise<string> {
  const { token, record } = await createGatewayToken(rights)
  tokens = [...tokens, record]
  return token
}

async function callerWith(rights: Omit<GatewayToken, 'hash'>) {
  const authorization = `Bearer ${await tokenFor(rights)}`
  return {
    authorization,
    send: async (...command: readonly unknown[]) => {
      const [status, text] = await post('/', command, { authorization })
      return [status, JSON.parse(text)]
    },
    post: (path: string, body: readonly unknown[]) => post(path, body, { authorization }),
    get: (path: string) => get(path, { headers: { authorization } }),
  }
}

const noCommand = (name: string) => [
  400,
  { error: `NOPERM this user has no permissions to run the '${name}' command or its subcommand` },
]
const NO_KEY = [400, { error: 'NOPERM this user has no permissions to access one of the keys used as arguments' }]
const NO_CHANNEL = [
  400,
  { error: 'NOPERM this user has no permissions to access one of the channels used as arguments' },
]

withRedis('a token that only reads gets what is there, and changes, publishes and lists nothing', async () => {
  const reader = await callerWith({ readOnly: true })
  await send('SET', 'ro', '1')
  expect(await reader.send('GET', 'ro')).toEqual([200, { result: '1' }])
  expect(await reader.send('object', 'encoding', 'ro')).toEqual([200, { result: 'int' }])
  for (const command of [
    ['SET', 'ro', '2'],
    ['DEL', 'ro'],
    ['EVAL', 'return 1', 0],
    ['EVAL_RO', 'return 1', 0],
    ['PUBLISH', 'a', 'b'],
    ['RANDOMKEY'],
    ['KEYS', '*'],
    ['SCAN', 0],
    ['FLUSHALL'],
    ['GETEX', 'ro'],
    ['INFO'],
    ['NOSUCH'],
  ])
    expect([command, await reader.send(...command)]).toEqual([command, noCommand(String(command[0]).toLowerCase())])
  expect(await send('GET', 'ro')).toBe('{"result":"1"}')
})

withRedis('a refused command is one of the answers of a pipeline, and the end of a transaction', async () => {
  const reader = await callerWith({ readOnly: true })
  const { error } = noCommand('set')[1] as { error: string }
  const commands = [['PING'], ['SET', 'p', '1'], ['GET', 'p']]
  expect(await reader.post('/pipeline', commands)).toEqual([
    200,
    JSON.stringify([{ result: 'PONG' }, { error }, { result: null }]),
  ])
  expect(await reader.post('/multi-exec', commands)).toEqual([400, JSON.stringify({ error })])
  expect((await reader.get('/set/p/1')).status).toBe(400)
  expect(await send('EXISTS', 'p')).toBe('{"result":0}')
})

withRedis('a token with prefixes reaches keys that begin so, in commands of many keys as well', async () => {
  const web = await callerWith({ prefixes: ['web:', 'ø:'] })
  expect(await web.send('MSET', 'web:a', '1', 'ø:b', '2')).toEqual([200, { result: 'OK' }])
  expect(await web.send('ZUNIONSTORE', 'web:z', 2, 'web:y', 'ø:x')).toEqual([200, { result: 0 }])
  expect(await web.send('XADD', 'web:s', '1-1', 'a', 'b')).toEqual([200, { result: '1-1' }])
  expect((await web.send('XREAD', 'COUNT', 1, 'STREAMS', 'web:s', 0))[0]).toBe(200)
  for (const command of [
    ['GET', 'we'],
    ['GET', 'Web:a'],
    ['MSET', 'web:a', '1', 'other', '2'],
    ['RENAME', 'web:a', 'other'],
    ['ZUNIONSTORE', 'web:z', 2, 'web:y', 'other'],
    ['ZUNIONSTORE', 'other', 1, 'web:y'],
    ['XREAD', 'COUNT', 1, 'STREAMS', 'web:s', 'other', 0, 0],
    ['OBJECT', 'ENCODING', 'other'],
    ['MEMORY', 'USAGE', 'other'],
    ['GEORADIUS', 'web:g', 1, 1, 1, 'm', 'STORE', 'other'],
    ['GEORADIUS', 'web:g', 1, 1, 1, 'm', 'store\0x', 'other'],
  ])
    expect([command, await web.send(...command)]).toEqual([command, NO_KEY])
  expect(await send('EXISTS', 'other')).toBe('{"result":0}')
})

withRedis('what would reach beyond the prefixes is refused, and so is what Redis cannot tell the keys of', async () => {
  const web = await callerWith({ prefixes: ['web:'] })
  for (const command of [
    ['KEYS', 'web:*'],
    ['SCAN', 0, 'MATCH', 'web:*'],
    ['DBSIZE'],
    ['RANDOMKEY'],
    ['FLUSHDB'],
    ['INFO'],
    ['PUBSUB', 'CHANNELS'],
    ['SORT', 'web:a', 'GET', '*'],
    ['MOVE', 'web:a', 1],
    ['COPY', 'web:a', 'web:b', 'DB', 1],
    ['EVAL', 'return 1', 0],
    ['EVALSHA', 'a', 1, 'web:a'],
    ['FCALL', 'f', 1, 'web:a'],
    ['SCRIPT', 'LOAD', 'return 1'],
    ['FUNCTION', 'LIST'],
    ['GEORADIUS', 'web:g', 1, 1, 1, 'm', 'STORE', 'web:a', 'STORE', 'other'],
    ['LMPOP', 'two', 'web:a', 'LEFT'],
    ['LMPOP', 9, 'web:a', 'LEFT'],
    ['XREAD', 'COUNT', 1],
    ['GET'],
  ])
    expect([command, (await web.send(...command))[1]]).toEqual([
      command,
      { error: expect.stringContaining("NOPERM this user has no permissions to run the '") },
    ])
  expect(await web.send('PING')).toEqual([200, { result: 'PONG' }])
})

withRedis('channels have to begin so too', async () => {
  const web = await callerWith({ prefixes: ['web:'] })
  expect(await web.send('PUBLISH', 'other', 'x')).toEqual(NO_CHANNEL)
  for (const path of ['/subscribe/other', '/subscribe/web:a/other', '/psubscribe/*', '/psubscribe/w*'])
    expect([path, await (await web.get(path)).json()]).toEqual([path, NO_CHANNEL[1]])
  for (const path of ['/monitor', '/Monitor', '/%6donitor'])
    expect(await (await web.get(path)).json()).toEqual(noCommand('monitor')[1])
  const stream = readLines(await web.get('/psubscribe/web:*'))
  expect(await stream.next()).toBe('data: psubscribe,web:*,1')
  expect(await web.send('PUBLISH', 'web:chat', 'x')).toEqual([200, { result: 1 }])
  expect(await stream.next()).toBe('data: pmessage,web:*,web:chat,x')
  await stream.close()
})

withRedis(
  'nobody but a token for everything watches, or keeps a connection waiting, unless its rights name WAIT',
  async () => {
    const narrow: Omit<GatewayToken, 'hash'>[] = [
      { readOnly: true },
      { prefixes: ['web:'], scripts: true },
      { commands: ['get', 'monitor', '@admin'] },
      { metrics: true },
    ]
    for (const rights of narrow) {
      const caller = await callerWith(rights)
      expect([rights, await (await caller.get('/monitor')).json()]).toEqual([rights, noCommand('monitor')[1]])
      for (const name of ['wait', 'waitaof'])
        expect([rights, await caller.send(name, 0, 0)]).toEqual([rights, noCommand(name)])
    }
    const waiter = await callerWith({ commands: ['wait'] })
    expect(await waiter.send('WAIT', 0, 0)).toEqual([200, { result: 0 }])
    const pipeline = [
      ['WAIT', 0, 0],
      ['GET', 'a'],
      ['wait', 0, 0],
    ]
    expect(await waiter.post('/pipeline', pipeline)).toEqual([
      200,
      JSON.stringify([{ result: 0 }, noCommand('get')[1], { result: 0 }]),
    ])
    const all = await callerWith({ all: true })
    const stream = readLines(await all.get('/monitor'))
    expect(await stream.next()).toBe('data: "OK"')
    await stream.close()
  },
)

withRedis(
  'what a token may not do any more, it is not told from memory either, and nothing is done again',
  async () => {
    const { token, record } = await createGatewayToken({ prefixes: ['kept:'] })
    tokens = [...tokens, record]
    const commands = [
      ['INCR', 'kept:n'],
      ['GET', 'kept:n'],
    ]
    const under = async (authorized: string) => {
      const headers = { authorization: `Bearer ${authorized}`, 'idempotency-key': 'kept' }
      const response = await get('/pipeline', { method: 'POST', body: JSON.stringify(commands), headers })
      return [response.status, response.headers.get('idempotent-replayed'), await response.text()]
    }
    const answer = '[{"result":1},{"result":"1"}]'
    expect([await under(token), await under(token)]).toEqual([
      [200, null, answer],
      [200, 'true', answer],
    ])
    const wide = tokens
    tokens = tokens.map((other) => (other === record ? { ...record, prefixes: ['other:'] } : other))
    expect(await under(token)).toEqual([422, null, expect.stringContaining('by the same rights, got another')])
    tokens = wide
    expect(await under(token)).toEqual([200, 'true', answer])
    // A token of its own has keys of its own.
    const other = await tokenFor({ prefixes: ['other:'] })
    expect(await under(other)).toEqual([
      200,
      null,
      expect.stringMatching(/^\[{"error":"NOPERM .*"},{"error":"NOPERM .*"}\]$/),
    ])
    expect(await send('GET', 'kept:n')).toBe('{"result":"1"}')
  },
)

withRedis(
  'bytes that are no UTF-8 are held to the prefixes as well, and refusals come in the format asked for',
  async () => {
    const web = await callerWith({ prefixes: ['web:'] })
    expect(await (await web.get('/set/web:%ff/1')).json()).toEqual({ result: 'OK' })
    expect(await (await web.get('/get/%ffweb:')).json()).toEqual(NO_KEY[1])
    const headers = { authorization: web.authorization, 'upstash-response-format': 'resp2' }
    expect(await post('/', ['GET', 'other'], headers)).toEqual([400, `-${(NO_KEY[1] as { error: string }).error}\r\n`])
    const [, text] = await post(
      '/pipeline',
      [
        ['GET', 'web:%'],
        ['KEYS', '*'],
      ],
      headers,
    )
    expect(text).toBe(`$-1\r\n-${(noCommand('keys')[1] as { error: string }).error}\r\n`)
  },
)

withRedis('scripts are for those who may run them, with keys that begin so', async () => {
  const worker = await callerWith({ prefixes: ['web:'], scripts: true })
  expect(await worker.send('EVAL', "return redis.call('SET', KEYS[1], 'x')", 1, 'web:e')).toEqual([
    200,
    { result: 'OK' },
  ])
  expect(await worker.send('EVAL', 'return 1', 1, 'other')).toEqual(NO_KEY)
  expect((await worker.send('SCRIPT', 'LOAD', 'return 1'))[0]).toBe(200)
  expect(await worker.send('SCRIPT', 'FLUSH')).toEqual(noCommand('script|flush'))
  expect(await worker.send('FUNCTION', 'FLUSH')).toEqual(noCommand('function|flush'))
})

withRedis('scripts of a token that only reads are those in which Redis refuses what writes', async () => {
  const reader = await callerWith({ readOnly: true, scripts: true })
  await send('SET', 'ro', '1')
  expect(await reader.send('EVAL_RO', "return redis.call('GET', KEYS[1])", 1, 'ro')).toEqual([200, { result: '1' }])
  for (const call of ["'SET', 'ro', '2'", "'PUBLISH', 'a', 'b'"])
    expect((await reader.send('EVAL_RO', `return redis.call(${call})`, 0))[1].error).toContain(
      'Write commands are not allowed',
    )
  expect(await reader.send('EVAL', 'return 1', 0)).toEqual(noCommand('eval'))
  expect(await reader.send('SCRIPT', 'LOAD', 'return 1')).toEqual(noCommand('script|load'))
})

withRedis('a token for some commands may run those alone', async () => {
  const some = await callerWith({ commands: ['GET', '@hash', 'config|get', 'object'] })
  expect(await some.send('get', 'nothing')).toEqual([200, { result: null }])
  expect(await some.send('HSET', 'h', 'a', '1')).toEqual([200, { result: 1 }])
  expect((await some.send('CONFIG', 'GET', 'maxmemory'))[0]).toBe(200)
  expect((await some.send('OBJECT', 'ENCODING', 'h'))[0]).toBe(200)
  for (const [name, ...command] of [
    ['set', 'SET', 'a', '1'],
    ['config|resetstat', 'CONFIG', 'RESETSTAT'],
    ['ping', 'PING'],
  ])
    expect(await some.send(...command)).toEqual(noCommand(String(name)))
  expect(await (await some.get('/subscribe/a')).json()).toEqual(noCommand('subscribe')[1])
})

withRedis('tq itself runs with a token for its prefix and for scripts', async () => {
  const token = await tokenFor({ prefixes: ['{tq}:'], scripts: true })
  const broker = redisBroker({ url, token, subscribe: false })
  await broker.check?.()
  const client = createClient({ broker })
  const { id } = await client.enqueue('greet', { name: 'Ada' })
  expect(await broker.get([id])).toMatchObject([{ state: 'queued' }])
  await broker.close()
})

withRedis('where Redis does not say what its commands are, such tokens do nothing, until it does', async () => {
  const { redis, send: sendAll } = await startSubject()
  await sendAll('ACL', 'SETUSER', 'narrow', 'on', '>pw', '~*', '&*', '+@all', '-command')
  const { token, record } = await createGatewayToken({ readOnly: true })
  const gateway = await createGateway({ redis: redis.url.replace('//', '//narrow:pw@'), tokens: [TOKEN, record] })
  const answer = async (authorized: string) => {
    const headers = { authorization: `Bearer ${authorized}` }
    const response = await gateway.fetch(new Request('http://gateway/get/a', { headers }))
    return [response.status, await response.json()]
  }
  expect(await answer(token)).toEqual([503, { error: 'ERR redis is not available: COMMAND says NOPERM' }])
  expect(await answer(TOKEN)).toEqual([200, { result: null }])
  await sendAll('ACL', 'SETUSER', 'narrow', '+command')
  expect(await answer(token)).toEqual([200, { result: null }])
  await gateway.close()
})

test('what waits for the commands of Redis and never gets them has run nothing, and may be sent again under its key', async () => {
  const { current } = createCatalogLoader(() => Promise.reject(unanswered('no answer')))
  await expect(current()).rejects.toMatchObject({ status: 503, mayHaveRun: false })
})

test('a token that has expired, or that is no longer listed, is as one that never was', async () => {
  const soon = await callerWith({ all: true, expiresAtMs: clock.now() + 1_000 })
  expect((await soon.get('/ping')).status).toBe(200)
  await clock.advance(1_000)
  expect((await soon.get('/ping')).status).toBe(401)
  const other = await callerWith({ all: true })
  expect((await other.get('/ping')).status).toBe(200)
  tokens = [TOKEN]
  expect((await other.get('/ping')).status).toBe(401)
})

test('a token that only reads lists no keys of a cluster either, as Valkey 9 does', () => {
  const catalog = toCatalog([['clusterscan', '-2', ['readonly'], '1', '1', '1', ['@read'], [], [], []]])
  expect(createCheck({ readOnly: true }).refuse(catalog)(['CLUSTERSCAN', '0'])).toStartWith('NOPERM')
})

test("a module's command is refused whatever it says of its keys, and so is one that says it in another way", () => {
  const begin = ['begin_search', ['type', 'index', 'spec', ['index', '1']]]
  const find = ['find_keys', ['type', 'range', 'spec', ['lastkey', '0', 'keystep', '1', 'limit', '0']]]
  const entry = (name: string, flags: string[], spec: unknown) => [
    name,
    '-2',
    flags,
    '1',
    '1',
    '1',
    ['@read'],
    [],
    [spec],
    [],
  ]
  const catalog = toCatalog([
    entry('plain', ['readonly'], ['flags', ['RO'], ...begin, ...find]),
    entry('ft.search', ['readonly', 'module'], ['flags', ['RO'], ...begin, ...find]),
    entry('partly', ['readonly'], ['flags', ['RO', 'incomplete'], ...begin, ...find]),
    entry('unknown', ['readonly'], ['flags', ['RO'], 'begin_search', ['type', 'unknown', 'spec', []], ...find]),
    entry('newer', ['readonly'], ['flags', ['RO'], ...begin, 'find_keys', ['type', 'newer', 'spec', []]]),
    entry('malformed', ['readonly'], ['flags', ['RO'], 'begin_search', ['type', 'index', 'spec', []], ...find]),
  ] as Reply)
  const refuse = createCheck({ prefixes: ['web:'] }).refuse(catalog)
  expect(refuse(['plain', 'web:a'])).toBeUndefined()
  for (const name of ['ft.search', 'partly', 'unknown', 'newer', 'malformed', 'absent'])
    expect([name, refuse([name, 'web:a'])]).toEqual([name, (noCommand(name)[1] as { error: string }).error])
})

/** Every command that this Redis has, subcommands among them. */
async function commandsOfRedis() {
  const names: string[][] = []
  for (const [name, , , , , , , , , subcommands] of JSON.parse(await send('COMMAND')).result) {
    names.push([name])
    for (const [full] of subcommands) names.push(full.split('|'))
  }
  return names
}

/** Valkey names a key for the STORE that stands where GEORADIUS has its unit, and then refuses the command. */
const hasStoreAsUnit = ([name, , , , , unit]: readonly string[]) => name === 'georadius' && unit === 'STORE'

withRedis('of every command of Redis, with any arguments, no key outside of the prefix gets through', async () => {
  // Integers are text, as the gateway has them.
  const reply = JSON.parse(await send('COMMAND'), (_, value) => (typeof value === 'number' ? String(value) : value))
  const catalog = toCatalog(reply.result)
  const refuse = createCheck({ prefixes: ['in:'], scripts: true }).refuse(catalog)
  const words = ['in:a', 'in:b', 'out', '1', '2', 'STORE', 'STREAMS', 'GROUP', 'KEYS', 'COUNT', 'm', '$', 'LEFT']
  const random = seededRandom(1)
  const pick = (count: number) => Math.floor(random() * count)
  const allowed: string[][] = []
  for (const name of await commandsOfRedis())
    for (let round = 0; round < 400; round++) {
      const command = [...name, ...Array.from({ length: 1 + pick(7) }, () => words[pick(words.length)] as string)]
      if (refuse([...command]) === undefined) allowed.push(command)
    }
  // What Redis itself takes for keys of it, or an error where it has none or would refuse the command.
  const [, text] = await post(
    '/pipeline',
    allowed.map((command) => ['COMMAND', 'GETKEYS', ...command]),
  )
  const keys: string[][] = JSON.parse(text).map(({ result = [] }: { result?: string[] }) => result)
  const outside = allowed.filter(
    (command, at) => keys[at]?.some((key) => !key.startsWith('in:')) && !hasStoreAsUnit(command),
  )
  expect(outside).toEqual([])
  expect(new Set(allowed.filter((_, at) => keys[at]?.length).map(([name]) => name)).size).toBeGreaterThan(100)
})

withRedis('by a token with a prefix, no command of Redis changes or tells anything of other keys', async () => {
  const web = await callerWith({ prefixes: ['web:'] })
  const kinds = [
    ['SET', 'theirs:string', 'needle'],
    ['RPUSH', 'theirs:list', 'needle'],
    ['SADD', 'theirs:set', 'needle'],
    ['ZADD', 'theirs:zset', '1', 'needle'],
    ['HSET', 'theirs:hash', 'needle', 'needle'],
  ]
  for (const command of kinds) await send(...command)
  const dump = async () =>
    (
      await post(
        '/pipeline',
        kinds.map(([, key]) => ['DUMP', key]),
      )
    )[1]
  const before = await dump()
  const keys = kinds.map(([, key]) => key as string)
  const shapes = (key: string) => [
    [],
    [key],
    [key, key],
    ['1', key],
    [key, '1', '1'],
    ['x', '1', key],
    ['web:a', key],
    ['web:a', '1', key],
  ]
  for (const name of await commandsOfRedis()) {
    const commands = keys.flatMap((key) => shapes(key).map((rest) => [...name, ...rest]))
    expect([name, (await web.post('/pipeline', commands))[1].includes('needle')]).toEqual([name, false])
  }
  expect(await dump()).toBe(before)
})

test.each([
  ['a field that is misspelt', { all: true, readonly: true }],
  ['an empty list of prefixes', { prefixes: [] }],
  ['an empty prefix', { prefixes: [''] }],
  ['a pattern for a prefix', { prefixes: ['web:*'] }],
  ['half a character', { prefixes: ['a\ud83c'] }],
  ['an empty list of commands', { commands: [] }],
  ['what is no command', { commands: ['get set'] }],
  ['a word for a flag', { readOnly: 'false' }],
  ['nothing', {}],
  ['everything and less', { all: true, readOnly: true }],
  ['scripts without more', { all: true, scripts: true }],
  ['other rights beside metrics', { metrics: true, readOnly: true }],
  ['another name', { all: true, name: 'a b' }],
  ['no time', { all: true, expiresAtMs: 1.5 }],
])('%s is no right', async (_, rights) => {
  await expect(createGatewayToken(rights as never)).rejects.toMatchObject({ name: 'InvalidOption' })
})
