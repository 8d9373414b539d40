/** What goes wrong says so: a typed error, in time, without a token or a payload in it. */
import { afterEach, expect, test } from 'bun:test'
import { createClient } from '../../../../src/index.ts'
import { CALLS, EXCHANGE, errorOf, errorsOfAll, everyCallIs, JOB, open, PAYLOAD } from './calls.ts'
import { startGatewayFor, startStore, withRedis } from './support.ts'

const stops: (() => unknown)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

/** A server that answers everything alike. */
function serve(answer: (request: Request) => Response | Promise<Response>): string {
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: answer })
  stops.push(() => server.stop(true))
  return `http://127.0.0.1:${server.port}`
}

const ANSWERS: readonly (readonly [what: string, status: number, body: string, name: string, says: string])[] = [
  [
    'a wrong token',
    401,
    '{"error":"WRONGPASS invalid or missing auth token"}',
    'BrokerRefused',
    'check UPSTASH_REDIS_REST_TOKEN',
  ],
  ['a wrong token, of old', 401, '{"error":"Unauthorized"}', 'BrokerRefused', 'check UPSTASH_REDIS_REST_TOKEN'],
  [
    'a quota of the month',
    400,
    '{"error":"ERR max requests limit exceeded. Limit: 500000, Usage: 500001."}',
    'BrokerRefused',
    'the quota of the database is used up',
  ],
  [
    'a quota of the day',
    429,
    '{"error":"ERR max daily request limit exceeded. Limit: 10000, Usage: 10001."}',
    'BrokerRefused',
    'the quota of the database is used up',
  ],
  [
    'a read-only token',
    400,
    '{"error":"NOPERM this user has no permissions to run the \'evalsha\' command"}',
    'BrokerRefused',
    'use a token that may write',
  ],
  [
    'a read-only replica',
    400,
    '{"error":"READONLY You can\'t write against a read only replica."}',
    'BrokerRefused',
    'use a token that may write',
  ],
  [
    'a Redis that lacks a command',
    400,
    '{"error":"ERR Error running script (call to f_1): @user_script:9: @user_script: 9: Unknown Redis command called from Lua script"}',
    'BrokerRefused',
    'Redis 7.0 or newer, or Valkey, is needed',
  ],
  ['a full database', 400, '{"error":"ERR DB capacity quota exceeded"}', 'StorageFull', 'room'],
  ['no memory', 400, '{"error":"OOM command not allowed when used memory > \'maxmemory\'."}', 'StorageFull', 'room'],
  [
    'a request that is too large',
    413,
    '{"error":"ERR max request size exceeded. Limit: 10485760, Actual: 10485761"}',
    'TooLarge',
    'at most 10485760 bytes, got 10485761',
  ],
  [
    'a reply that is too large',
    200,
    '{"error":"ERR max request size exceeded. Limit: 10485760, Actual: 10485761"}',
    'TooLarge',
    'at most 10485760 bytes, got 10485761',
  ],
  [
    'a server that loads',
    200,
    '{"error":"LOADING Redis is loading the dataset in memory"}',
    'BrokerUnavailable',
    'LOADING',
  ],
  ['another program’s error', 500, '{"error":"Internal Server Error"}', 'BrokerUnavailable', 'not Redis’s'],
  ['a limit of a proxy', 429, '{"error":"Too Many Requests"}', 'BrokerUnavailable', 'not Redis’s'],
  ['an error that is no text', 500, '{"error":{"code":7}}', 'BrokerUnavailable', 'not Redis’s'],
  ['a page', 502, '<html>Bad Gateway</html>', 'BrokerUnavailable', 'no JSON'],
  ['a page that pretends to be fine', 200, '<html>Welcome</html>', 'BrokerUnavailable', 'no JSON'],
  ['nothing', 200, '', 'BrokerUnavailable', 'no JSON'],
  ['another service’s JSON', 200, '{"hello":"world"}', 'BrokerUnavailable', 'without a result'],
  ['null', 200, 'null', 'BrokerUnavailable', 'no connection'],
  ['a result of another form', 200, '{"result":"OK"}', 'BrokerUnavailable', 'another form'],
]

for (const [what, status, body, name, says] of ANSWERS)
  test(`${what} is ${name} of every call`, async () => {
    const broker = open(serve(() => new Response(body, { status })))
    expect((await errorOf(broker.enqueue([JOB]))).message).toContain(says)
    expect(await errorsOfAll(broker)).toEqual(everyCallIs(name))
  })

test('a list of another length than the question is BrokerUnavailable', async () => {
  const broker = open(serve(() => Response.json({ result: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] })))
  const { list, ...known } = CALLS
  for (const [name, call] of Object.entries(known))
    expect([name, (await errorOf(call(broker))).name]).toEqual([name, 'BrokerUnavailable'])
})

test('what repeats the request in its error is not quoted', async () => {
  for (const text of [
    (sent: string) => `ERR unknown command 'EVALSHA', with args beginning with: ${sent}`,
    (sent: string) => `bad request: ${sent}`,
    (sent: string) => `ERR no, command was: ${sent}`,
  ]) {
    const url = serve((request) => {
      const sent = `'${PAYLOAD}' '${request.headers.get('authorization')}'`
      return Response.json({ error: text(sent) }, { status: 400 })
    })
    await errorsOfAll(open(url))
  }
  const echo = open(serve((request) => Response.json({ error: `ERR ${request.headers.get('authorization')}` })))
  expect((await errorOf(echo.enqueue([JOB]))).name).toBe('BrokerRefused')
})

test('a host that nobody listens on is BrokerUnavailable', async () => {
  const url = serve(() => new Response())
  for (const stop of stops.splice(0)) await stop()
  expect(await errorsOfAll(open(url))).toEqual(everyCallIs('BrokerUnavailable'))
})

test('a host that never answers is BrokerUnavailable once the call’s time is over', async () => {
  const broker = open(
    serve(() => new Promise<Response>(() => {})),
    { callTimeoutMs: 50 },
  )
  expect((await errorOf(broker.enqueue([JOB]))).message).toContain('none in time')
  expect(await errorsOfAll(broker)).toEqual(everyCallIs('BrokerUnavailable'))
})

test('a reply that stops half-way is BrokerUnavailable once the call’s time is over', async () => {
  const half = () => new Response(new ReadableStream({ start: (controller) => controller.enqueue('{"result":[') }))
  const broker = open(serve(half), { callTimeoutMs: 50 })
  expect(await errorsOfAll(broker)).toEqual(everyCallIs('BrokerUnavailable'))
})

withRedis('a user who may only read is refused, and told what is missing', async () => {
  const store = await startStore()
  await store.send('ACL', 'SETUSER', 'reader', 'on', '>secret-of-the-reader', '~*', '+@read', '+@connection', '+info')
  const url = await startGatewayFor(store.redisUrl().replace('redis://', 'redis://reader:secret-of-the-reader@'))
  const error = await errorOf(open(url).enqueue([JOB]))
  expect([error.name, error.message]).toEqual(['BrokerRefused', expect.stringContaining('use a token that may write')])
})

withRedis('the gateway’s own refusal of a token is BrokerRefused', async () => {
  const store = await startStore()
  const broker = open(store.url, { token: 'another-token' })
  expect(await errorsOfAll(broker)).toEqual(everyCallIs('BrokerRefused'))
})

withRedis(
  'a payload over the limit is TooLarge, by the client’s limit and by the server’s, and nothing is stored',
  async () => {
    const store = await startStore()
    const broker = open(store.url)
    const large = PAYLOAD.repeat(50_000)
    expect((await errorOf(createClient({ broker }).enqueue('work', large))).name).toBe('TooLarge')
    const beyond = { ...JOB, input: JSON.stringify(PAYLOAD.repeat(500_000)) }
    expect((await errorOf(broker.enqueue([beyond]))).name).toBe('TooLarge')
    expect(await store.send('KEYS', '*')).toEqual([])
  },
)

withRedis(
  'a queue that is full is QueueFull, ready and timed ones apart, and nothing of the batch is stored',
  async () => {
    const store = await startStore()
    const broker = open(store.url, { maxReady: 2, maxTimed: 1 })
    const client = createClient({ broker })
    await client.enqueue('work', PAYLOAD, { id: 'first' })
    const many = ['a', 'b'].map((id) => ({ task: 'work', input: PAYLOAD, options: { id } }))
    expect(await errorOf(client.enqueueMany(many))).toMatchObject({ name: 'QueueFull', queue: 'default' })
    expect(await broker.get(['a', 'b'])).toEqual([null, null])
    await client.enqueue('work', PAYLOAD, { id: 'second' })
    await client.enqueue('work', PAYLOAD, { id: 'timed', delayMs: 60_000 })
    expect((await errorOf(client.enqueue('work', PAYLOAD, { id: 'third' }))).name).toBe('QueueFull')
    expect((await errorOf(client.enqueue('work', PAYLOAD, { id: 'later', delayMs: 60_000 }))).name).toBe('QueueFull')
    // What is there already is no more.
    expect((await client.enqueue('work', PAYLOAD, { id: 'first' })).created).toBe(false)
    expect(await broker.get(['third', 'later'])).toEqual([null, null])
    expect((await broker.stats()).queues.map(({ counts }) => counts)).toEqual([{ queued: 2, scheduled: 1 }])
  },
)

withRedis('a server without memory is StorageFull; what was accepted is there, and workers go on', async () => {
  const store = await startStore()
  const broker = open(store.url)
  await broker.enqueue([{ ...JOB, id: 'before' }])
  await store.configure('maxmemory', '1')
  expect((await errorOf(broker.enqueue([JOB]))).name).toBe('StorageFull')
  expect(await broker.get(['job'])).toEqual([null])
  const { jobs } = await broker.exchange({ ...EXCHANGE, settle: [], want: 5 })
  expect(jobs.map(({ id }) => id)).toEqual(['before'])
})

withRedis('a tick whose queue is full stays due, and is fired once there is room', async () => {
  const store = await startStore()
  const broker = open(store.url, { maxReady: 1 })
  await createClient({ broker }).enqueue('work', PAYLOAD, { id: 'first' })
  const schedule = { name: 'often', app: 'app', definition: '{}', dueAtMs: 5, incarnation: 'i', stampMs: 1 }
  await broker.setSchedules([{ kind: 'set', ...schedule }])
  const job = { id: 'tick', task: 'work', queue: 'default', input: '', priority: 0, createdAtMs: 0 }
  const tick = { schedule: 'often', revision: 1, dueAtMs: 5, nextDueAtMs: 9, job }
  expect(await broker.fire([tick])).toEqual(['full'])
  expect((await broker.schedules()).schedules.map(({ dueAtMs }) => dueAtMs)).toEqual([5])
  const by = {
    lane: 'w.1.0',
    seq: 1,
    queues: ['default'],
    want: 1,
    takeLost: true,
    leaseMs: 30_000,
    settle: [],
    extend: [],
    waitMs: 0,
  }
  await broker.exchange(by)
  expect(await broker.fire([tick])).toEqual(['fired'])
  expect((await broker.get(['tick'])).map((record) => record?.state)).toEqual(['queued'])
})
