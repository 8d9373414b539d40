import { expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { settled } from '../../support/clock.ts'
import { AUTHORIZED, startSubject, TOKEN, until } from './subject.ts'

const { gateway, fetch: get, post, send, url } = await startSubject()
const port = Number(new URL(url).port)
const WRONG = '{"error":"WRONGPASS invalid or missing auth token"}'

/** A connection on which a test says byte by byte what is sent and read. */
async function open(): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await new Promise((resolve) => socket.once('connect', resolve))
  return socket.on('error', () => {})
}

function toRequest(path: string, body: string, head = `content-length: ${Buffer.byteLength(body)}`): string {
  return `POST ${path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${TOKEN}\r\n${head}\r\n\r\n${body}`
}

async function commandsRun(): Promise<number> {
  return Number(/total_commands_processed:(\d+)/.exec(JSON.parse(await send('INFO', 'stats')).result)?.[1])
}

test.each([
  ['half a document', '/', '["SET","bad"', 'ERR failed to parse command'],
  ['two documents', '/', '["PING"]["PING"]', 'ERR failed to parse command'],
  ['a string', '/', '"PING"', 'ERR failed to parse command'],
  ['a number', '/', '7', 'ERR failed to parse command'],
  ['null', '/', 'null', 'ERR failed to parse command'],
  ['an object for an argument', '/', '["SET","bad",{"a":1}]', 'ERR failed to parse command'],
  ['a command in a list of its own', '/', '[["SET","bad","1"]]', 'ERR failed to parse command'],
  ['brackets a hundred thousand deep', '/', '['.repeat(100_000), 'ERR failed to parse command'],
  ['a pipeline for a transaction', '/multi-exec', '{"0":["SET","bad","1"]}', 'ERR failed to parse multi-exec request'],
  ['no body of a pipeline', '/pipeline', '', 'ERR failed to parse pipeline request'],
  ['a command that is null', '/pipeline', '[["SET","bad","1"],null]', 'ERR failed to parse pipeline request'],
  [
    'null behind a good command',
    '/pipeline',
    '[["SET","bad","1"],["SET","bad",null]]',
    'ERR null args are not supported',
  ],
  ['half a percent sign', '/set/bad/%', '', 'ERR failed to parse command'],
  ['half a percent sign in a channel', '/subscribe/%', '', 'ERR failed to parse command'],
])('%s is 400, and nothing of it runs', async (_, path, body, error) => {
  expect(await post(path, body)).toEqual([400, JSON.stringify({ error })])
  expect(await send('EXISTS', 'bad')).toBe('{"result":0}')
})

test('a token in another place is none', async () => {
  const bearer = { authorization: `Bearer ${TOKEN}` }
  const tries: readonly (readonly [path: string, init: RequestInit])[] = [
    [`/ping/${TOKEN}`, {}],
    [`/ping?token=${TOKEN}`, {}],
    [`/ping?_TOKEN=${TOKEN}`, {}],
    [`/ping?_token=wrong&_token=${TOKEN}`, {}],
    [`/ping#_token=${TOKEN}`, {}],
    ['/ping', { headers: { 'x-authorization': bearer.authorization } }],
    ['/ping', { headers: { authorization: TOKEN } }],
    ['/ping', { headers: { authorization: `Bearer ${TOKEN},` } }],
    ['/ping', { headers: { cookie: `_token=${TOKEN}` } }],
    ['/', { method: 'POST', body: JSON.stringify(['AUTH', TOKEN]) }],
    ['/', { method: 'POST', body: `_token=${TOKEN}` }],
    [`/ping?_token=${TOKEN}`, { headers: { authorization: 'Bearer wrong' } }],
  ]
  for (const [path, init] of tries) {
    const response = await fetch(`${url}${path}`, init)
    expect([path, response.status, await response.text()]).toEqual([path, 401, WRONG])
  }
})

test('ten thousand wrong tokens are as many refusals, of which Redis hears nothing', async () => {
  const before = await commandsRun()
  for (let round = 0; round < 100; round++) {
    const tries = Array.from({ length: 100 }, async (_, at) => {
      const headers = { authorization: `Bearer ${TOKEN}-${round}-${at}` }
      const response = await fetch(url, { method: 'POST', body: '["SET","bad","1"]', headers })
      return `${response.status} ${await response.text()}`
    })
    expect(new Set(await Promise.all(tries))).toEqual(new Set([`401 ${WRONG}`]))
  }
  expect((await commandsRun()) - before).toBeLessThan(5)
})

test('a body that breaks off is not run', async () => {
  for (const head of ['content-length: 1000', 'transfer-encoding: chunked']) {
    for (const path of ['/', '/pipeline', '/set/bad']) {
      const socket = await open()
      const body = head.startsWith('content') ? '["SET","bad","1"]' : '11\r\n["SET","bad","1"]\r\n'
      await new Promise<void>((resolve) => socket.write(toRequest(path, body, head), () => resolve()))
      await settled()
      socket.destroy()
    }
  }
  expect(await send('EXISTS', 'bad')).toBe('{"result":0}')
})

test('a body that cannot be read to its end is 400, and no fault of the server', async () => {
  for (const headers of [{}, { 'content-length': '1000' }, { 'idempotency-key': 'broken' }])
    for (const path of ['/', '/multi-exec', '/set/bad']) {
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('["SET","bad","1"]'))
        },
        pull: () => Promise.reject(new Error('gone')),
      })
      const request = new Request(`http://gateway${path}`, {
        method: 'POST',
        body,
        headers: { ...AUTHORIZED, ...headers },
      })
      const response = await gateway.fetch(request)
      expect([response.status, await response.text()]).toEqual([400, '{"error":"ERR the request broke off"}'])
    }
  expect(await send('EXISTS', 'bad')).toBe('{"result":0}')
})

test('a pipeline whose client leaves is run whole or not at all', async () => {
  const body = JSON.stringify(Array.from({ length: 50 }, () => ['RPUSH', 'whole', 'x']))
  for (let round = 0; round < 20; round++) {
    const socket = await open()
    socket.write(toRequest('/pipeline', body))
    for (let turn = 0; turn < round; turn++) await new Promise((resolve) => setImmediate(resolve))
    socket.destroy()
  }
  expect(JSON.parse(await send('LLEN', 'whole')).result % 50).toBe(0)
})

test('a client that leaves in the middle of a large reply, or does not read it, keeps nobody waiting', async () => {
  await send('SET', 'large', 'x'.repeat(8_000_000))
  const unread = await open()
  unread.pause()
  unread.write(toRequest('/', '["GET","large"]'))
  for (let round = 0; round < 20; round++) {
    const socket = await open()
    socket.write(toRequest('/', '["GET","large"]'))
    await new Promise((resolve) => socket.once('data', resolve))
    socket.destroy()
    expect(await send('ECHO', `after ${round}`)).toBe(`{"result":"after ${round}"}`)
  }
  let received = 0
  unread.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  unread.resume()
  await until(async () => received > 8_000_000, true)
  unread.destroy()
})

test('streams whose clients vanish end', async () => {
  const sockets = await Promise.all(Array.from({ length: 20 }, open))
  for (const socket of sockets) socket.write(toRequest('/subscribe/vanishing', ''))
  const subscribers = async () => JSON.parse(await send('PUBSUB', 'NUMSUB', 'vanishing')).result[1]
  await until(subscribers, 1)
  for (const socket of sockets) socket.destroy()
  await until(subscribers, 0)
})

test('what comes as a method, a path or a header is refused in the words of the protocol', async () => {
  for (const method of ['DELETE', 'PATCH', 'OPTIONS']) {
    const response = await get('/ping', { method })
    expect([method, response.status, await response.text()]).toEqual([
      method,
      405,
      '{"error":"ERR method not allowed"}',
    ])
  }
  expect(await (await get('/subscribe')).text()).toContain('is not allowed in REST or it has a special context path')
  expect((await get('/ping', { headers: { 'upstash-encoding': 'x'.repeat(5_000) } })).status).toBe(200)
})

test('HEAD answers with the status alone', async () => {
  for (const [path, status] of [
    ['/ping', 200],
    ['/lpush', 400],
    ['/ping?_token=', 200],
  ] as const) {
    const response = await get(path, { method: 'HEAD' })
    expect([path, response.status, await response.text()]).toEqual([path, status, ''])
  }
})
