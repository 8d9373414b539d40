/** What the published client does beside single commands; its commands are in upstash-commands.test.ts. */
import { afterAll, expect, test } from 'bun:test'
import { Redis, type RedisConfigNodejs } from '@upstash/redis'
import { type Listening, listen } from '../../../adapters/runtimes/listen.ts'
import { hasRedisServer, startSubject, TOKEN, until } from './subject.ts'

const { gateway, send } = await startSubject()
const paths: string[] = []
const { url, close } = await listen(
  (request) => {
    paths.push(new URL(request.url).pathname)
    return gateway.fetch(request)
  },
  { port: 0 },
)
afterAll(close)
const create = (options: Partial<RedisConfigNodejs> = {}) => new Redis({ url, token: TOKEN, ...options })
const redis = create()

/** Where the requests went that were sent meanwhile. */
async function pathsOf(run: () => Promise<unknown>): Promise<readonly string[]> {
  paths.length = 0
  await run()
  return [...paths]
}

const OPTIONS: Readonly<Record<string, Partial<RedisConfigNodejs>>> = {
  'no options': {},
  'its strings as they are, not in base64': { responseEncoding: false },
  'each command in a request of its own': { enableAutoPipelining: false },
  'no connection kept': { keepAlive: false },
  'no word of who calls': { enableTelemetry: false },
  'no sync token': { readYourWrites: false },
}
const VALUES = [
  '%%12',
  '',
  '😀',
  'a\u0000b\r\n',
  'OK',
  '01',
  '101600000000150081467',
  8,
  1.5,
  true,
  null,
  [1, ['2']],
  { a: { b: null } },
]

for (const [name, options] of Object.entries(OPTIONS))
  test(`any value comes back as it went, with ${name}`, async () => {
    const client = create(options)
    for (const [at, value] of VALUES.entries()) expect(await client.set(`value:${at}`, value)).toBe('OK')
    const keys = VALUES.map((_, at) => `value:${at}`)
    expect(await client.mget<unknown[]>(keys)).toEqual(VALUES)
    expect(await client.pipeline().get('value:2').get('value:99').exec()).toEqual(['😀', null])
    expect(await Promise.all(keys.map((key) => client.get(key)))).toEqual(VALUES)
  })

test('commands of one turn are a request of those that write and one of those that read, and each gets its own reply', async () => {
  await redis.set('turn', 5)
  const turn = () =>
    Promise.all([redis.incr('turn'), redis.strlen('none'), redis.append('text', 'x'), redis.get('none')])
  let replies: unknown
  expect(await pathsOf(async () => (replies = await turn()))).toEqual(['/pipeline', '/pipeline'])
  expect(replies).toEqual([6, 0, 1, null])
  expect(await pathsOf(() => Promise.all([redis.exec(['GET', 'turn']), redis.dbsize()]))).toEqual(['/', '/'])
})

test('more commands than the client puts into one request go in several, in order', async () => {
  let replies: number[] = []
  const run = async () => (replies = await Promise.all(Array.from({ length: 2_500 }, () => redis.incr('many'))))
  expect(await pathsOf(run)).toEqual(['/pipeline', '/pipeline', '/pipeline'])
  expect(replies.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 2_500 }, (_, at) => at + 1))
})

test('of commands that are sent together the error of one is that of its caller alone', async () => {
  const missing = redis.evalsha('0'.repeat(40), [], [])
  const settled = await Promise.allSettled([redis.set('good', 1), missing, redis.set('good too', 2)])
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  await expect(missing).rejects.toThrow('NOSCRIPT')
})

test('an error in a pipeline says which command it was', async () => {
  const pipeline = redis.pipeline().set('word', 'x').incr('word').evalsha('0'.repeat(40), [], [])
  await expect(pipeline.exec()).rejects.toThrow(
    'Command 2 [ incr ] failed: ERR value is not an integer or out of range',
  )
  const transaction = redis.multi().set('word', 'y').incr('word')
  await expect(transaction.exec()).rejects.toThrow('Command 2 [ incr ] failed: ERR value is not an integer')
  expect(await redis.get('word')).toBe('y')
  expect(await pathsOf(() => redis.multi().incr('n').exec())).toEqual(['/multi-exec'])
})

test.each([
  [['NO SUCH COMMAND', 'x'], /^ERR unknown command/],
  [['GET'], /^ERR wrong number of arguments for 'get' command/],
  [['SET', 'k', 'v', 'EX', 'soon'], /^ERR value is not an integer or out of range/],
  [['JSON.SET', 'k', '$', '1'], /^ERR unknown command/],
  [['BLPOP', 'k', 0], /^ERR Command is not available: 'BLPOP'/],
] as const)('%p is refused by an error that tells its reason', async (command, reason) => {
  const refused = redis.exec(command as unknown as [string, ...string[]])
  await expect(refused).rejects.toMatchObject({ name: 'UpstashError', message: expect.stringMatching(reason) })
})

test('the token for reading what was written is another one after every request', async () => {
  const seen = [redis.readYourWritesSyncToken]
  const note = () => seen.push(redis.readYourWritesSyncToken)
  await redis.set('k', 'v').then(note)
  await redis.get('k').then(note)
  await redis.pipeline().set('k', 1).incr('k').exec().then(note)
  await redis.multi().incr('k').exec().then(note)
  await redis.createScript('return 1').exec([], []).then(note)
  await redis.lpush('k', 'x').catch(note)
  const single = create({ enableAutoPipelining: false })
  await Promise.all([1, 2, 3].map((n) => single.set('k', n).then(() => seen.push(single.readYourWritesSyncToken))))
  expect(new Set(seen).size).toBe(seen.length)
  expect(seen.every((token) => typeof token === 'string')).toBe(true)
})

test.skipIf(!hasRedisServer)(
  'a script that only reads runs by its digest, also the first time, and one that writes is refused',
  async () => {
    await redis.set('read', 'value')
    const read = redis.createScript<string, true>('return redis.call("GET", KEYS[1])', { readonly: true })
    expect(await pathsOf(async () => expect(await read.exec(['read'], [])).toBe('value'))).toHaveLength(2)
    expect(await pathsOf(async () => expect(await read.exec(['read'], [])).toBe('value'))).toHaveLength(1)
    const write = redis.createScript('return redis.call("SET", KEYS[1], "x")', { readonly: true })
    await expect(write.exec(['read'], [])).rejects.toThrow('Write commands are not allowed from read-only scripts')
  },
)

test('a client goes on when its gateway is started anew', async () => {
  const first = await listen(gateway.fetch, { port: 0 })
  let second: Promise<Listening> | undefined
  const backoff = () => {
    second ??= listen(gateway.fetch, { port: first.port })
    return 1
  }
  const client = create({ url: first.url, retry: { retries: 1_000, backoff } })
  await client.set('kept', 1)
  await first.close()
  expect(await client.get('kept')).toBe(1)
  expect(second).toBeDefined()
  await (await second)?.close()
})

test('a subscriber leaves one channel and hears the others, beside those who hear patterns', async () => {
  const channels = redis.subscribe<number>(['one', 'two'])
  const patterns = redis.psubscribe<number>(['o*', 't*'])
  const heard: string[] = []
  channels.on('message', ({ channel, message }) => {
    heard.push(`${channel}: ${message}`)
  })
  patterns.on('pmessage', ({ pattern, channel, message }) => {
    heard.push(`${pattern} ${channel}: ${message}`)
  })
  await until(() => send('PUBSUB', 'NUMSUB', 'one', 'two'), '{"result":["one",1,"two",1]}')
  await until(() => send('PUBSUB', 'NUMPAT'), '{"result":2}')
  await redis.publish('one', 1)
  await until(async () => heard.length, 2)
  await channels.unsubscribe(['one'])
  await until(() => send('PUBSUB', 'NUMSUB', 'one'), '{"result":["one",0]}')
  await redis.publish('one', 2)
  await redis.publish('two', 3)
  await until(async () => heard.length, 5)
  expect(heard.toSorted()).toEqual(['o* one: 1', 'o* one: 2', 'one: 1', 't* two: 3', 'two: 3'])
  expect(channels.getSubscribedChannels()).toEqual(['two'])
  await Promise.all([channels.unsubscribe(), patterns.unsubscribe()])
})
