import { expect, test } from 'bun:test'
import { createRestrictions } from '../../../adapters/gateway/tokens/restricted.ts'
import { hasRedisServer, startSubject, TOKEN } from './subject.ts'

const { send, sendBase64, post, fetch: get, url } = await startSubject({ maxBodyBytes: 1_000_000 })

test('a command is a JSON array, its reply a result', async () => {
  expect(await post('/', ['SET', 'greeting', 'hello'])).toEqual([200, '{"result":"OK"}'])
  expect(await post('/', ['GET', 'greeting'])).toEqual([200, '{"result":"hello"}'])
  expect(await post('/', ['GET', 'nothing'])).toEqual([200, '{"result":null}'])
  expect(await send('APPEND', 'greeting', '!')).toBe('{"result":6}')
})

test('numbers and booleans are sent as their text', async () => {
  await send('RPUSH', 'args', 1, -2.5, true, false)
  expect(await send('LRANGE', 'args', 0, -1)).toBe('{"result":["1","-2.5","true","false"]}')
})

test('integers beyond 2^53 arrive exactly, in both directions', async () => {
  expect(await post('/', '["SET", "big", 9223372036854775806]')).toEqual([200, '{"result":"OK"}'])
  expect(await send('INCR', 'big')).toBe('{"result":9223372036854775807}')
  expect(await post('/pipeline', '[["SET","neg",-9223372036854775808,"GET"],["DECRBY","neg",0]]')).toEqual([
    200,
    '[{"result":null},{"result":-9223372036854775808}]',
  ])
  expect(await post('/', '["SET", "quoted \\" 12345678901234567890", 12345678901234567890]')).toEqual([
    200,
    '{"result":"OK"}',
  ])
  expect(await send('GET', 'quoted " 12345678901234567890')).toBe('{"result":"12345678901234567890"}')
})

test('a number that JavaScript cannot hold goes as its digits, whatever stands around it, and others as they are', async () => {
  const text = `${'\\"\\\\'.repeat(1_000)}1e999`
  const body = `["RPUSH", "numbers", ${JSON.stringify(text)}, 12345678901234567890, 1.50, "\\\\", -1e999, 1e3, "12345678901234567890"]`
  expect(await post('/', body)).toEqual([200, '{"result":7}'])
  expect(JSON.parse(await send('LRANGE', 'numbers', 0, -1)).result).toEqual([
    text,
    '12345678901234567890',
    '1.5',
    '\\',
    '-1e999',
    '1000',
    '12345678901234567890',
  ])
})

test('arrays nest, with nil and errors in them', async () => {
  const script = `return {1, 'a', false, {'b', {}, redis.status_reply('OK')}, redis.error_reply('ERR inner')}`
  expect(await send('EVAL', script, 0)).toBe('{"result":[1,"a",null,["b",[],"OK"],{"error":"ERR inner"}]}')
})

test('text comes back as it went, whatever the script of the alphabet', async () => {
  const text = 'ålesund 日本 🎈 "quoted" \\ \u0000 \n\t\u2028'
  await send('SET', text, text)
  expect(JSON.parse(await send('GET', text))).toEqual({ result: text })
})

test('in base64 every string is encoded but the status OK', async () => {
  expect(await sendBase64('SET', 'k', 'OK')).toBe('{"result":"OK"}')
  expect(await sendBase64('GET', 'k')).toBe('{"result":"T0s="}')
  expect(await sendBase64('PING')).toBe('{"result":"UE9ORw=="}')
  expect(await sendBase64('TYPE', 'k')).toBe(`{"result":"${btoa('string')}"}`)
  expect(await sendBase64('STRLEN', 'k')).toBe('{"result":2}')
  expect(await sendBase64('EVAL', `return {'x', redis.status_reply('OK'), 7, false, {'y'}}`, 0)).toBe(
    '{"result":["eA==","T0s=",7,null,["eQ=="]]}',
  )
  expect(await sendBase64('NOSUCH')).toMatch(/^\{"error":"ERR unknown command/)
})

test('bytes that are no UTF-8 survive in base64 and become U+FFFD without', async () => {
  const bytes = Uint8Array.from([0xff, 0x00, 0xc3, 0x28, 0x0d, 0x0a, 0x41])
  expect((await get('/set/bytes', { method: 'POST', body: bytes })).status).toBe(200)
  expect(await sendBase64('GET', 'bytes')).toBe(`{"result":"${Buffer.from(bytes).toString('base64')}"}`)
  expect(JSON.parse(await send('GET', 'bytes'))).toEqual({ result: '\ufffd\u0000\ufffd(\r\nA' })
})

test('a key in a path may be bytes that are no UTF-8', async () => {
  expect(await (await get('/set/%ff%00%C3(a%20b/bytes')).text()).toBe('{"result":"OK"}')
  expect(await (await get('/get/%FF%00%c3(a%20b')).text()).toBe('{"result":"bytes"}')
  expect(await sendBase64('EVAL', `return redis.call('KEYS', '\\255*')`, 0)).toBe(
    `{"result":["${Buffer.from('\xff\x00\xc3(a b', 'latin1').toString('base64')}"]}`,
  )
})

test('a command can stand in the path, with a body and options behind it', async () => {
  const text = async (path: string, init?: RequestInit) => (await get(path, init)).text()
  expect(await text('/set/a%20b/c%2Fd')).toBe('{"result":"OK"}')
  expect(await text('/get/a%20b')).toBe('{"result":"c/d"}')
  expect(await text('/set/a%20b?EX=100&KEEPTTL', { method: 'POST', body: 'v' })).toStartWith(
    '{"error":"ERR syntax error',
  )
  expect(await text(`/set/a%20b?EX=100&_token=${TOKEN}`, { method: 'PUT', body: 'v' })).toBe('{"result":"OK"}')
  expect(await text('/ttl/a%20b')).toBe('{"result":100}')
  expect(await text('/publish/nobody/hello')).toBe('{"result":0}')
})

test('a pipeline answers per command, in order, with errors among them', async () => {
  expect(
    await post('/pipeline', [
      ['SET', 'p', '1'],
      ['LPUSH', 'p', 'x'],
      [],
      ['BLPOP', 'p', 0],
      ['INCR', 'p'],
      ['SELECT', 0],
    ]),
  ).toEqual([
    200,
    '[{"result":"OK"},' +
      '{"error":"WRONGTYPE Operation against a key holding the wrong kind of value"},' +
      '{"error":"ERR empty pipeline command"},' +
      `{"error":"ERR Command is not available: 'BLPOP'. See https://upstash.com/docs/redis/overall/rediscompatibility for details"},` +
      '{"result":2},{"result":"OK"}]',
  ])
})

test("a pipeline's commands run back to back, whatever else is going on", async () => {
  const pipelines = Array.from({ length: 20 }, (_, id) =>
    Array.from({ length: 50 }, () => ['RPUSH', 'turns', String(id)]),
  )
  await Promise.all(pipelines.map((commands) => post('/pipeline', commands)))
  const turns = JSON.parse(await send('LRANGE', 'turns', 0, -1)).result as string[]
  const changes = turns.filter((id, at) => id !== turns[at - 1])
  expect(turns).toHaveLength(1000)
  expect(changes).toHaveLength(20)
})

test('a transaction answers per command, errors at run time among them', async () => {
  expect(
    await post('/multi-exec', [
      ['SET', 'm', 'x'],
      ['INCR', 'm'],
      ['APPEND', 'm', 'y'],
    ]),
  ).toEqual([200, '[{"result":"OK"},{"error":"ERR value is not an integer or out of range"},{"result":2}]'])
})

test('a transaction that cannot run as a whole is one error and does nothing', async () => {
  const aborted = '{"error":"EXECABORT Transaction discarded because of previous errors."}'
  expect(
    await post('/multi-exec', [
      ['SET', 'never', '1'],
      ['SET', 'never'],
    ]),
  ).toEqual([400, aborted])
  expect(
    (
      await post('/multi-exec', [
        ['SET', 'never', '1'],
        ['WATCH', 'x'],
      ])
    )[0],
  ).toBe(400)
  expect(await post('/multi-exec', [['SET', 'never', '1'], []])).toEqual([400, '{"error":"ERR empty command"}'])
  expect(await send('GET', 'never')).toBe('{"result":null}')
})

test('transactions and single commands at once do not mix', async () => {
  const both = Array.from({ length: 40 }, () => [
    post('/multi-exec', [['INCR', 'mixed'], ['PING']]),
    send('PING'),
    post('/multi-exec', [['SET', 'broken']]),
  ]).flat()
  const replies = (await Promise.all(both)).filter((_, at) => at % 3 === 1)
  expect(new Set(replies)).toEqual(new Set(['{"result":"PONG"}']))
  expect(await send('GET', 'mixed')).toBe('{"result":"40"}')
})

test.each([
  ['no JSON', '/', 'SET a b', 'ERR failed to parse command'],
  ['no array', '/', '{"a":1}', 'ERR failed to parse command'],
  ['nothing', '/', '', 'ERR failed to parse command'],
  ['an empty command', '/', '[]', 'ERR empty command'],
  ['null among the arguments', '/', '["SET","a",null]', 'ERR null args are not supported'],
  ['an array among the arguments', '/', '["SET","a",["b"]]', 'ERR failed to parse command'],
  ['a pipeline of words', '/pipeline', '["PING"]', 'ERR failed to parse pipeline request'],
  ['an empty pipeline', '/pipeline', '[]', 'ERR empty pipeline request'],
  ['an empty transaction', '/multi-exec', '[]', 'ERR empty multi-exec request'],
  ['a path that is not encoded', '/get/%f', '', 'ERR failed to parse command'],
  ['a channel that is no text', '/subscribe/%ff', '', 'ERR failed to parse command'],
  ['no known command', '/', '["NOSUCH"]', "ERR unknown command 'NOSUCH', with args beginning with: "],
])('%s is 400 and says why', async (_, path, body, error) => {
  const [status, text] = await post(path, body)
  expect([status, JSON.parse(text)]).toEqual([400, { error: hasRedisServer ? error : expect.any(String) }])
})

test.each([
  [
    'blocks',
    'BLPOP a 0|brpop a 0|BLMOVE a b LEFT LEFT 0|BZPOPMIN a 0|XREAD BLOCK 0 STREAMS a 0|xreadgroup GROUP g c block 0 STREAMS a >',
  ],
  [
    'changes the connection',
    'SELECT 1|SUBSCRIBE a|MONITOR|QUIT|AUTH x|HELLO 3|RESET|CLIENT SETNAME x|MULTI|EXEC|DISCARD|WATCH a|UNWATCH|cluster syncslots ESTABLISH',
  ],
  [
    'stops or re-configures the server',
    'SHUTDOWN|DEBUG SLEEP 1|REPLICAOF a 1|SCRIPT DEBUG YES|CONFIG SET dir /tmp|CONFIG REWRITE|SAVE|MIGRATE a 1 b 0 9999|PFSELFTEST|' +
      'ACL LOAD|acl save|CLUSTER RESET HARD|CLUSTER FORGET a|cluster meet a 1|CLUSTER FAILOVER|CLUSTER SETSLOT 1 STABLE|CLUSTER TO-COME',
  ],
])('what %s is refused', async (_, commands) => {
  for (const command of commands.split('|')) {
    const [status, text] = await post('/', command.split(' '))
    expect([command, status]).toEqual([command, 400])
    expect(text).toMatch(/is not available|is not allowed in REST/)
  }
  expect(await send('PING')).toBe('{"result":"PONG"}')
})

test('what is refused is refused as Redis reads it: up to a NUL, and behind a setting that is allowed', async () => {
  for (const command of [
    ['SHUTDOWN\0x'],
    ['CONFIG', 'SET\0x', 'dir', '/tmp'],
    ['CONFIG', 'SET', 'notify-keyspace-events', '', 'dir', '/tmp'],
    ['XREAD', 'BLOCK\0x', '0', 'STREAMS', 'a', '0'],
    ['XREADGROUP', 'GROUP', 'STREAMS', 'c', 'NOACK', 'COUNT', '1', 'BLOCK', '0', 'STREAMS', 'a', '>'],
    ['XREADGROUP', 'GROUP', 'g', 'c', 'CLAIM', '1', 'BLOCK', '0', 'STREAMS', 'a', '>'],
  ])
    expect((await post('/', command))[1]).toMatch(/is not available/)
})

test('an option that only a newer Redis knows hides no BLOCK', () => {
  const options = ['GROUP', 'g', 'c', 'TO-COME', '1', 'BLOCK', '0']
  expect(createRestrictions()(['XREADGROUP', ...options, 'STREAMS', 'a', '>'])).toBe('ERR syntax error')
})

test('a stream may be called BLOCK', async () => {
  await send('XADD', 'BLOCK', '1-1', 'a', 'b')
  expect(await send('XREAD', 'COUNT', 1, 'STREAMS', 'BLOCK', '0')).toBe('{"result":[["BLOCK",[["1-1",["a","b"]]]]]}')
})

test('a token is needed, and one of several will do', async () => {
  const wrong = '{"error":"WRONGPASS invalid or missing auth token"}'
  for (const authorization of ['', 'Bearer', `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, `Basic ${TOKEN}`]) {
    const response = await fetch(url, { method: 'POST', body: '["PING"]', headers: { authorization } })
    expect([response.status, await response.text()]).toEqual([401, wrong])
  }
  for (const authorization of [`Bearer ${TOKEN}`, 'bearer another-token']) {
    const response = await fetch(url, { method: 'POST', body: '["PING"]', headers: { authorization } })
    expect(response.status).toBe(200)
  }
  expect((await fetch(`${url}/ping?_token=${TOKEN}`)).status).toBe(200)
  expect((await fetch(`${url}/ping?_token=wrong`)).status).toBe(401)
})

test('other methods are refused', async () => {
  const refused = await get('/', { method: 'DELETE' })
  expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'POST, GET, PUT, HEAD'])
})

function toChunks(...chunks: readonly string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk))
      controller.close()
    },
  })
}

test('a body that is too large is 413, with a length and without', async () => {
  const body = JSON.stringify(['SET', 'large', 'x'.repeat(1_000_000)])
  const error = `{"error":"ERR max request size exceeded. Limit: 1000000, Actual: ${body.length}"}`
  expect(await post('/', body)).toEqual([413, error])
  const inChunks = async (text: string) =>
    (await get('/', { method: 'POST', body: toChunks(text.slice(0, 9), text.slice(9)) })).status
  expect(await inChunks(body)).toBe(413)
  expect(await inChunks('["PING","in chunks"]')).toBe(200)
  expect(await send('EXISTS', 'large')).toBe('{"result":0}')
})

test('the sync token is another one in every reply', async () => {
  const replies = await Promise.all(Array.from({ length: 20 }, () => get('/ping')))
  expect(new Set(replies.map(({ headers }) => headers.get('upstash-sync-token'))).size).toBe(20)
})

test('a batch of a megabyte goes through in one piece', async () => {
  const values = Array.from({ length: 600 }, (_, at) => JSON.stringify({ at, text: 'æ'.repeat(500) }))
  const [status, text] = await post('/', ['EVAL', 'return ARGV', 0, ...values], { 'upstash-encoding': 'base64' })
  const decoded = (JSON.parse(text).result as string[]).map((value) => Buffer.from(value, 'base64').toString())
  expect([status, decoded]).toEqual([200, values])
})
