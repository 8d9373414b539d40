import { afterAll, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { startSubject } from '../subject.ts'

const { fetch: get, post, redis } = await startSubject({ maxBodyBytes: 20_000 })
const RESP2 = { 'upstash-response-format': 'resp2' }

async function binary(path: string, body?: string | readonly unknown[]): Promise<[number, string | null, string]> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const response = await get(path, { method: 'POST', headers: RESP2, ...(body && { body: text }) })
  return [response.status, response.headers.get('content-type'), await latin1(response)]
}

/** Each byte as one character, so that none is lost. */
const latin1 = async (response: Response) => Buffer.from(await response.arrayBuffer()).toString('latin1')

const socket = connect(redis.port, '127.0.0.1')
afterAll(() => socket.destroy())

/** What Redis sends over TCP for a command, up to the reply of the PING behind it. */
function overTcp(command: readonly unknown[]): Promise<string> {
  const mark = '+PONG\r\n'
  const toBulk = (part: unknown) => `$${Buffer.byteLength(String(part))}\r\n${part}\r\n`
  return new Promise((resolve) => {
    let received = ''
    function read(chunk: Buffer): void {
      received += chunk.toString('latin1')
      if (!received.endsWith(mark)) return
      socket.off('data', read)
      resolve(received.slice(0, -mark.length))
    }
    socket.on('data', read)
    socket.write(`*${command.length}\r\n${command.map(toBulk).join('')}*1\r\n${toBulk('PING')}`)
  })
}

test.each([
  ['a status', ['SET', 'k', 'v']],
  ['a string', ['GET', 'k']],
  ['an empty string', ['GETRANGE', 'k', 5, 9]],
  ['nil', ['GET', 'nothing']],
  ['an integer', ['STRLEN', 'k']],
  [
    'an integer beyond 2^53',
    ['EVAL', `redis.call("SET", KEYS[1], "${2n ** 63n - 2n}") return redis.call("INCR", KEYS[1])`, 1, 'big'],
  ],
  ['a negative integer', ['EVAL', 'return -7', 0]],
  ['bytes that are no UTF-8', ['EVAL', 'return "\\255\\0\\r\\n\\195("', 0]],
  ['an empty list', ['LRANGE', 'nothing', 0, -1]],
  ['lists in lists', ['EVAL', 'return {1, "a", false, {"b", {}, {{"c"}}, redis.status_reply("FINE")}}', 0]],
  ['an error in a list', ['EVAL', 'return {1, redis.error_reply("ERR inner"), "after"}', 0]],
])('%s is written byte for byte as Redis writes it', async (_, command) => {
  expect(await binary('/', command)).toEqual([200, 'application/octet-stream', await overTcp(command)])
})

test('an error of a command is 400 and the line that Redis sends', async () => {
  await post('/', ['SET', 'text', 'x'])
  for (const command of [
    ['LPUSH', 'text', 'y'],
    ['GET', 'too', 'many'],
  ])
    expect(await binary('/', command)).toEqual([400, 'application/octet-stream', await overTcp(command)])
})

test('a command in the path answers so as well', async () => {
  expect(await binary('/set/path/v')).toEqual([200, 'application/octet-stream', '+OK\r\n'])
  expect(await binary('/get/path')).toEqual([200, 'application/octet-stream', '$1\r\nv\r\n'])
})

test("a pipeline's replies follow one another, errors among them", async () => {
  const commands = [
    ['SET', 'p', '1'],
    ['LPUSH', 'p', 'x'],
    ['BLPOP', 'p', 0],
    ['INCR', 'p'],
    ['GET', 'nothing'],
  ]
  expect((await binary('/pipeline', commands))[2]).toBe(
    '+OK\r\n' +
      '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n' +
      "-ERR Command is not available: 'BLPOP'. See https://upstash.com/docs/redis/overall/rediscompatibility for details\r\n" +
      ':2\r\n$-1\r\n',
  )
})

test('a transaction answers in JSON whatever was asked for', async () => {
  expect(
    await binary('/multi-exec', [
      ['SET', 'm', '1'],
      ['INCR', 'm'],
    ]),
  ).toEqual([200, 'application/json', '[{"result":"OK"},{"result":2}]'])
})

test('what the gateway refuses is an error in the format that was asked for', async () => {
  expect(await binary('/', 'no json')).toEqual([400, 'application/octet-stream', '-ERR failed to parse command\r\n'])
  expect((await binary('/', ['ECHO', 'x'.repeat(20_000)]))[2]).toStartWith(
    '-ERR max request size exceeded. Limit: 20000',
  )
})

test('another format, and resp2 with base64, are 400', async () => {
  for (const headers of [{ ...RESP2, 'upstash-encoding': 'base64' }, { 'upstash-response-format': 'resp3' }])
    expect(await post('/', ['PING'], { ...headers })).toEqual([
      400,
      '{"error":"ERR expected the response format json or resp2, and resp2 without base64"}',
    ])
  expect(await post('/', ['PING'], { 'upstash-response-format': 'json' })).toEqual([200, '{"result":"PONG"}'])
})
