import { expect, test } from 'bun:test'
import { createIdempotency } from '../../../adapters/gateway/idempotency.ts'
import { unanswered, unavailable } from '../../../adapters/gateway/protocol/refusal.ts'
import { createVirtualClock } from '../../support/clock.ts'
import { startSubject, TOKEN } from './subject.ts'

const clock = createVirtualClock()
const { fetch: get, send } = await startSubject({ clock, maxBodyBytes: 2_000_000 })

async function under(key: string, path: string, body?: unknown, init: RequestInit = {}) {
  const response = await get(path, {
    method: 'POST',
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    ...init,
    headers: { 'idempotency-key': key, ...(init.headers as Record<string, string>) },
  })
  const replayed = response.headers.get('idempotent-replayed')
  return { status: response.status, text: await response.text(), replayed, headers: response.headers }
}

test('a command that is sent again under its key is not executed again, and is answered as the first', async () => {
  const first = await under('once', '/', ['INCR', 'once'])
  const second = await under('"once"', '/', ['INCR', 'once'])
  expect([first.status, first.text, first.replayed]).toEqual([200, '{"result":1}', null])
  expect([second.status, second.text, second.replayed]).toEqual([200, '{"result":1}', 'true'])
  expect(second.headers.get('upstash-sync-token')).not.toBe(first.headers.get('upstash-sync-token'))
  expect(await send('GET', 'once')).toBe('{"result":"1"}')
})

test('those that come at once share one execution', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => under('shared', '/', ['INCR', 'shared'])))
  expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['{"result":1}']))
  expect(answers.filter(({ replayed }) => replayed === null)).toHaveLength(1)
})

test('pipelines, transactions and commands in the path have keys as well', async () => {
  for (const [path, body, text] of [
    [
      '/pipeline',
      [
        ['INCR', 'p'],
        ['LPUSH', 'once', 'x'],
      ],
      '[{"result":1},{"error":"WRONGTYPE ',
    ],
    [
      '/multi-exec',
      [
        ['INCR', 'm'],
        ['INCR', 'm'],
      ],
      '[{"result":1},{"result":2}]',
    ],
    ['/append/a', 'body', '{"result":4}'],
    ['/incrby/i?5', undefined, '{"result":5}'],
  ] as const) {
    for (const replayed of [null, 'true']) {
      const answer = await under(`kind ${path}`.replaceAll(/\W/g, '-'), path, body)
      expect([answer.status, answer.text, answer.replayed]).toEqual([200, expect.stringContaining(text), replayed])
    }
  }
})

test('an error of a command is remembered as well', async () => {
  await send('SET', 'text', 'x')
  const first = await under('error', '/', ['LPUSH', 'text', 'y'])
  await send('DEL', 'text')
  const second = await under('error', '/', ['LPUSH', 'text', 'y'])
  expect([second.status, second.text, second.replayed]).toEqual([400, first.text, 'true'])
})

test('another request under a key is 422, and nothing of it is done', async () => {
  await under('taken', '/', ['SET', 'mine', '1'])
  for (const other of [
    under('taken', '/', ['SET', 'mine', '2']),
    under('taken', '/pipeline', ['SET', 'mine', '1']),
    under('taken', '/?a', ['SET', 'mine', '1']),
    under('taken', '/', ['SET', 'mine', '1'], { method: 'PUT' }),
    under('taken', '/', ['SET', 'mine', '1'], { headers: { 'upstash-encoding': 'base64' } }),
    under('taken', '/', ['SET', 'mine', '1'], { headers: { 'upstash-response-format': 'resp2' } }),
    under('taken', '/set/mine/2'),
  ]) {
    const { status, text } = await other
    expect([status, text]).toEqual([422, expect.stringContaining('got another: nothing of it was done')])
  }
  expect(await send('GET', 'mine')).toBe('{"result":"1"}')
})

test('a key is forgotten after a minute', async () => {
  expect((await under('minute', '/', ['INCR', 'minute'])).text).toBe('{"result":1}')
  await clock.advance(59_999)
  expect((await under('minute', '/', ['INCR', 'minute'])).text).toBe('{"result":1}')
  await clock.advance(1)
  expect((await under('minute', '/', ['INCR', 'minute'])).text).toBe('{"result":2}')
  expect((await under('minute', '/', ['INCR', 'minute'])).text).toBe('{"result":2}')
})

test("a key is its token's: another token's is another, and a wrong token learns nothing", async () => {
  const as = (token: string) =>
    under('whose', '/', ['INCR', 'whose'], { headers: { authorization: `Bearer ${token}` } })
  expect((await as(TOKEN)).text).toBe('{"result":1}')
  expect((await as('another-token')).text).toBe('{"result":2}')
  expect((await as('wrong')).status).toBe(401)
  expect((await under('whose', '/', ['INCR', 'whose'])).text).toBe('{"result":1}')
})

test.each(['', 'a b', 'a, b', '"', 'é', 'x'.repeat(256)])('%p is no key', async (key) => {
  const { status, text } = await under(key, '/', ['SET', 'bad', '1'])
  expect([status, text]).toEqual([400, expect.stringContaining('expected one Idempotency-Key of 1 to 255')])
  expect(await send('EXISTS', 'bad')).toBe('{"result":0}')
})

test('a body that is too large is 413 with a key as well, and streams take no notice of one', async () => {
  expect((await under('large', '/', ['SET', 'large', 'x'.repeat(2_000_000)])).status).toBe(413)
  const streams = await Promise.all(
    [0, 1].map(() => get('/subscribe/keys', { headers: { 'idempotency-key': 'stream' } })),
  )
  expect(streams.map(({ status, headers }) => [status, headers.get('idempotent-replayed')])).toEqual([
    [200, null],
    [200, null],
  ])
  await Promise.all(streams.map(({ body }) => body?.cancel()))
})

test('of an answer beyond a megabyte it is remembered that there was one', async () => {
  const command = ['EVAL', 'redis.call("INCR", KEYS[1]) return string.rep("x", 1100000)', 1, 'big']
  expect((await under('big', '/', command)).status).toBe(200)
  const again = await under('big', '/', command)
  expect([again.status, again.text]).toEqual([
    409,
    expect.stringContaining('has run; its answer of 1100013 bytes was not kept'),
  ])
  expect(await send('GET', 'big')).toBe('{"result":"1"}')
})

/** Keys without HTTP, for what is about many. */
function setUp() {
  const clock = createVirtualClock()
  const idempotency = createIdempotency(clock)
  let runs = 0
  const once = (key: string, run = async () => 'x', token = 'token') =>
    idempotency.once({ token, key, request: ['/'] }, () => {
      runs++
      return run()
    })
  return { clock, once, runs: () => runs }
}

test('of one token ten thousand keys are kept, the oldest go first, and another token loses none', async () => {
  const { once, runs } = setUp()
  await once('other', undefined, 'other')
  for (let at = 0; at <= 10_000; at++) await once(`key ${at}`)
  const before = runs()
  expect([await once('key 1'), await once('other', undefined, 'other')]).toEqual([
    { body: 'x', isReplay: true },
    { body: 'x', isReplay: true },
  ])
  expect(runs()).toBe(before)
  expect(await once('key 0')).toEqual({ body: 'x', isReplay: false })
})

test('of one token 16 MiB of answers are kept, and what is under way is never forgotten', async () => {
  const { once, runs } = setUp()
  let finish = (_: string) => {}
  const slow = once(
    'slow',
    () =>
      new Promise((resolve) => {
        finish = resolve
      }),
  )
  for (let at = 0; at <= 16; at++) await once(`key ${at}`, async () => 'x'.repeat(1_048_576))
  const before = runs()
  expect((await once('key 1')).isReplay).toBe(true)
  const waiting = once('slow')
  finish('slow')
  expect([(await slow).isReplay, await waiting]).toEqual([false, { body: 'slow', isReplay: true }])
  expect(runs()).toBe(before)
  expect((await once('key 0', async () => 'x')).isReplay).toBe(false)
})

test('what was not executed may be tried again, and what may have been is not', async () => {
  const { once } = setUp()
  const refusing = (refusal: Error) => () => Promise.reject(refusal)
  await expect(once('away', refusing(unavailable('away')))).rejects.toThrow('away')
  expect(await once('away')).toEqual({ body: 'x', isReplay: false })
  await expect(once('lost', refusing(unanswered('lost')))).rejects.toThrow('lost')
  await expect(once('lost')).rejects.toMatchObject({
    status: 503,
    headers: { 'retry-after': '1', 'idempotent-replayed': 'true' },
  })
  await expect(once('bug', refusing(new TypeError('bug')))).rejects.toThrow('bug')
  expect(await once('bug')).toEqual({ body: 'x', isReplay: false })
})
