import { afterAll } from 'bun:test'
import { createGateway, type Gateway, type GatewayEvent, type GatewayOptions } from '../../../adapters/gateway/index.ts'
import { listen } from '../../../adapters/runtimes/listen.ts'
import { settled } from '../../support/clock.ts'
import { redisServer, startRedisOrJs, type TestRedis } from '../../support/redis-server.ts'

export const TOKEN = 'secret-token'
export const AUTHORIZED = { authorization: `Bearer ${TOKEN}` }

/** Why a test is skipped on the Redis in JavaScript. */
export const hasRedisServer = redisServer !== null

export interface Subject {
  readonly redis: TestRedis
  readonly gateway: Gateway
  readonly url: string
  readonly events: GatewayEvent[]
  fetch(path: string, init?: RequestInit): Promise<Response>
  /** One command's reply as the text of its body. */
  send(...command: readonly unknown[]): Promise<string>
  /** The same in base64. */
  sendBase64(...command: readonly unknown[]): Promise<string>
  /** Posts JSON text and reads status and body. */
  post(path: string, body: string | readonly unknown[], headers?: Record<string, string>): Promise<[number, string]>
}

/** A gateway in front of a Redis of its own, over real sockets; both end with the tests of the file. */
export async function startSubject(options: Partial<GatewayOptions> = {}): Promise<Subject> {
  const redis = await startRedisOrJs()
  const events: GatewayEvent[] = []
  const gateway = await createGateway({
    redis: redis.url,
    tokens: ['another-token', TOKEN],
    onEvent: (event) => events.push(event),
    ...options,
  })
  const server = await listen(gateway.fetch, { port: 0 })
  afterAll(async () => {
    await gateway.close()
    await server.close()
    await redis.stop()
  })
  const fetchPath = (path: string, init: RequestInit = {}) =>
    fetch(`${server.url}${path}`, { ...init, headers: { ...AUTHORIZED, ...(init.headers as Record<string, string>) } })
  const post: Subject['post'] = async (path, body, headers = {}) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const response = await fetchPath(path, { method: 'POST', body: text, headers })
    return [response.status, await response.text()]
  }
  return {
    redis,
    gateway,
    url: server.url,
    events,
    fetch: fetchPath,
    post,
    send: async (...command) => (await post('/', command))[1],
    sendBase64: async (...command) => (await post('/', command, { 'upstash-encoding': 'base64' }))[1],
  }
}

export interface Caller {
  request(path: string, body?: unknown): Promise<Response>
  /** One command's status and body. */
  send(...command: readonly unknown[]): Promise<[number, string]>
}

/** Calls a gateway that listens nowhere. */
export function createCaller({ fetch }: Pick<Gateway, 'fetch'>): Caller {
  const request: Caller['request'] = (path, body) =>
    fetch(
      new Request(`http://gateway${path}`, {
        method: 'POST',
        headers: AUTHORIZED,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    )
  return {
    request,
    async send(...command) {
      const response = await request('/', command)
      return [response.status, await response.text()]
    },
  }
}

/** Asks again until the answer is the one expected; the test's time limit ends it, so the event loop gets its turn. */
export async function until<T>(ask: () => Promise<T>, expected: T): Promise<void> {
  while ((await ask()) !== expected) await settled()
}

export interface SseReader {
  /** The next line that is not empty, or null at the end of the stream. */
  next(): Promise<string | null>
  close(): Promise<void>
}

/** Reads server-sent events line by line. */
export function readLines(response: { readonly body: ReadableStream<Uint8Array> | null }): SseReader {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const decoder = new TextDecoder()
  let rest = ''
  async function next(): Promise<string | null> {
    for (;;) {
      const end = rest.indexOf('\n')
      if (end === -1) {
        const { done, value } = await reader.read()
        if (done) return null
        rest += decoder.decode(value, { stream: true })
        continue
      }
      const line = rest.slice(0, end)
      rest = rest.slice(end + 1)
      if (line !== '') return line
    }
  }
  return { next, close: () => reader.cancel() }
}
