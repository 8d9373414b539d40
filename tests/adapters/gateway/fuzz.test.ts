/** What nobody would send on purpose, through the fetch handler: it is answered in the words of the protocol, and shifts no other answer. */
import { afterAll, expect, test } from 'bun:test'
import { ErrorReply } from '@redis/client'
import fc from 'fast-check'
import { createGateway } from '../../../adapters/gateway/index.ts'
import { BASE64, PLAIN, type Reply } from '../../../adapters/gateway/protocol/encoding.ts'
import { RESP2 } from '../../../adapters/gateway/protocol/resp2.ts'
import { startRedisOrJs } from '../../support/redis-server.ts'
import { TOKEN } from './subject.ts'

const RUNS = { seed: 2_026, numRuns: 500 }
const redis = await startRedisOrJs()
const gateway = await createGateway({ redis: redis.url, tokens: [TOKEN], maxBodyBytes: 10_000 })
afterAll(async () => {
  await gateway.close()
  await redis.stop()
})

function send(path: string, { headers, ...init }: RequestInit & { readonly headers?: Record<string, string> } = {}) {
  const authorized = { authorization: `Bearer ${TOKEN}`, ...headers }
  return gateway.fetch(new Request(`http://gateway${path}`, { ...init, headers: authorized }))
}

const word = fc.oneof(
  fc.constantFrom(
    ...'GET SET EVAL MULTI EXEC SELECT CONFIG SCRIPT XREAD BLOCK WAIT SUBSCRIBE OBJECT LPUSH a 0 1 -1'.split(' '),
  ),
  fc.string({ maxLength: 8 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
)
const argument = fc.oneof({ weight: 6, arbitrary: word }, fc.integer(), fc.double(), fc.boolean(), fc.jsonValue())
const command = fc.array(argument, { maxLength: 6 })
const body = fc.oneof(
  command.map((value) => JSON.stringify(value)),
  fc.array(command, { maxLength: 6 }).map((value) => JSON.stringify(value)),
  fc.json(),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.string({ minLength: 10_001, maxLength: 10_010 }),
)
const path = fc.oneof(
  fc.constantFrom('/', '/pipeline', '/multi-exec', '/pipeline/', '/subscribe', '/publish/a/b', '//'),
  fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => `/${words.map(toPart).join('/')}`),
)
const request = fc.record({
  path,
  query: fc.oneof(
    fc.constant(''),
    fc.webQueryParameters().map((text) => `?${text}`),
  ),
  method: fc.constantFrom('POST', 'POST', 'POST', 'GET', 'PUT', 'HEAD', 'DELETE'),
  body,
  encoding: fc.constantFrom(undefined, 'base64', 'gzip'),
  format: fc.constantFrom(undefined, 'json', 'resp2', 'resp3'),
  token: fc.constantFrom(TOKEN, TOKEN, TOKEN, 'wrong', ''),
})

/** As UTF-8 has it: half a surrogate pair becomes U+FFFD. */
const wellFormed = (text: string) => Buffer.from(text).toString()

/** A word in a path; those that no URL can hold are left out, as are the streams, which do not end. */
function toPart(text: string): string {
  const isStream = /^p?subscribe$|^monitor$/i.test(text)
  return isStream || text !== wellFormed(text) ? 'get' : encodeURIComponent(text)
}

/** Throws for what is neither JSON of the protocol nor RESP2. */
function check(text: Buffer, type: string | null): void {
  if (type === 'application/octet-stream') {
    for (let rest = text; rest.length > 0; ) rest = readResp2(rest)[1]
    return
  }
  expect(type).toBe('application/json')
  const value: unknown = JSON.parse(text.toString())
  for (const item of Array.isArray(value) ? value : [value])
    expect(Object.keys(item as object)).toEqual([Object.hasOwn(item as object, 'error') ? 'error' : 'result'])
}

test('any request has an answer of the protocol, another sync token, and leaves the answers to others alone', async () => {
  const syncTokens = new Set<string | null>()
  let sent = 0
  await fc.assert(
    fc.asyncProperty(request, async ({ path, query, method, body, encoding, format, token }) => {
      const headers = {
        authorization: `Bearer ${token}`,
        ...(encoding && { 'upstash-encoding': encoding }),
        ...(format && { 'upstash-response-format': format }),
      }
      const init = { method, headers, ...(method !== 'GET' && method !== 'HEAD' && { body }) }
      const [response, echo] = await Promise.all([send(path + query, init), send(`/echo/${sent}`)])
      expect(await echo.text()).toBe(`{"result":"${sent++}"}`)
      expect([200, 400, 401, 405, 413]).toContain(response.status)
      syncTokens.add(response.headers.get('upstash-sync-token'))
      check(Buffer.from(await response.arrayBuffer()), response.headers.get('content-type'))
    }),
    RUNS,
  )
  expect(syncTokens.size).toBe(sent)
})

test('any bytes come back from Redis as they went', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 40 }),
      fc.string({ unit: 'binary', maxLength: 10 }),
      async (bytes, text) => {
        const value = Buffer.from(bytes)
        // An empty body is none.
        await send('/set/bytes', { method: 'POST', body: value.length > 0 ? value : '"' })
        const expected = value.length > 0 ? value : Buffer.from('"')
        const base64 = await send('/get/bytes', { headers: { 'upstash-encoding': 'base64' } })
        expect(await base64.text()).toBe(`{"result":"${expected.toString('base64')}"}`)
        const plain = await send('/get/bytes')
        expect(await plain.json()).toEqual({ result: expected.toString() })
        const echo = await send('/', { method: 'POST', body: JSON.stringify(['ECHO', text]) })
        expect(await echo.json()).toEqual({ result: wellFormed(text) })
      },
    ),
    RUNS,
  )
})

const integer = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)
const status = fc.constantFrom('OK', 'PONG', 'QUEUED')
const error = fc.constantFrom('ERR no', 'WRONGTYPE "quoted"').map((message) => new ErrorReply(message))
const bytes = fc.uint8Array({ maxLength: 12 }).map((value) => Buffer.from(value))
const { reply } = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constant(null),
    integer,
    status,
    error,
    bytes,
    fc.array(tie('reply'), { maxLength: 5 }),
  ),
}))

/** JSON that keeps integers as they stand. */
const parseExact = (text: string): unknown =>
  JSON.parse(
    text.replace(/"(?:[^"\\]|\\.)*"|-?\d+/g, (token) => (token.startsWith('"') ? token : `{"integer":"${token}"}`)),
  )

function toJson(reply: Reply, toText: (value: Buffer) => string): unknown {
  if (reply === null) return null
  if (reply instanceof ErrorReply) return { error: reply.message }
  if (Buffer.isBuffer(reply)) return toText(reply)
  if (typeof reply === 'string') return /\d/.test(reply) ? { integer: reply } : toText(Buffer.from(reply))
  return reply.map((item) => toJson(item, toText))
}

test('any reply is written exactly, whatever is nested in it, and errors stay where they are', () => {
  fc.assert(
    fc.property(reply, (reply) => {
      const expected = (toText: (value: Buffer) => string) => {
        if (reply instanceof ErrorReply) return { error: reply.message }
        return { result: reply === 'OK' ? 'OK' : toJson(reply, toText) }
      }
      expect(parseExact(String(PLAIN.one(reply)))).toEqual(expected((value) => value.toString()))
      expect(parseExact(String(BASE64.one(reply)))).toEqual(expected((value) => value.toString('base64')))
      const [read, rest] = readResp2(Buffer.from(RESP2.one(reply) as Uint8Array))
      expect([read, rest.length]).toEqual([reply, 0])
    }),
    { ...RUNS, numRuns: 2_000 },
  )
})

/** A reply as the gateway gets it, and the bytes behind it. Throws for what is no RESP2. */
function readResp2(bytes: Buffer): [Reply, Buffer] {
  const end = bytes.indexOf('\r\n')
  const [type, value, rest] = [bytes.toString('latin1', 0, 1), bytes.toString('utf8', 1, end), bytes.subarray(end + 2)]
  if (end === -1 || !'+:-$*'.includes(type)) throw new Error(`expected RESP2, got ${bytes.toString('latin1')}`)
  if (type === '+' || type === ':') return [value, rest]
  if (type === '-') return [new ErrorReply(value), rest]
  const length = Number(value)
  if (length === -1) return [null, rest]
  return type === '$' ? readBulk(rest, length) : readArray(rest, length)
}

function readBulk(bytes: Buffer, length: number): [Reply, Buffer] {
  expect(bytes.toString('latin1', length, length + 2)).toBe('\r\n')
  return [bytes.subarray(0, length), bytes.subarray(length + 2)]
}

function readArray(bytes: Buffer, length: number): [Reply, Buffer] {
  const items: Reply[] = []
  let rest = bytes
  for (let at = 0; at < length; at++) {
    const [item, behind] = readResp2(rest)
    items.push(item)
    rest = behind
  }
  return [items, rest]
}
