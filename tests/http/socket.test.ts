import { expect, test } from 'bun:test'
import type { TqEvent } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { createApi } from 'tq-edge/http'
import type { Broker } from '../../src/broker.ts'
import { settle, succeeded } from './support.ts'

interface Served {
  readonly url: string
  readonly broker: Broker
  /** Resolves once the API has read a job of the broker. */
  readonly looked: Promise<void>
  /** Resolves with the next event of that kind. */
  next(kind: TqEvent['kind']): Promise<TqEvent>
}

/** Serves an API on loopback for as long as `use` takes. */
async function serve(use: (served: Served) => Promise<void>): Promise<void> {
  const broker = sqliteBroker({ path: ':memory:' })
  const waiting: { kind: string; resolve: (event: TqEvent) => void }[] = []
  const onEvent = (event: TqEvent) => {
    for (const { kind, resolve } of waiting) if (kind === event.kind) resolve(event)
  }
  const { promise: looked, resolve: seeLook } = Promise.withResolvers<void>()
  const get: Broker['get'] = (ids, options) => {
    seeLook()
    return broker.get(ids, options)
  }
  const api = createApi({ broker: { ...broker, get }, tokens: ['token'], maxBodyBytes: 1_000, onEvent })
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: api.fetch })
  try {
    await use({
      url: server.url.origin,
      broker,
      looked,
      next: (kind) => new Promise((resolve) => waiting.push({ kind, resolve })),
    })
  } finally {
    await server.stop(true)
    await broker.close()
  }
}

const headers = { Authorization: 'Bearer token', 'Content-Type': 'application/json' }

test('over a socket a job goes in and its result comes out', async () => {
  await serve(async ({ url, broker }) => {
    const posted = await fetch(`${url}/v1/tasks/greet?id=a`, { method: 'POST', headers, body: '{"name":"Ada"}' })
    expect([posted.status, posted.headers.get('Location')]).toEqual([202, '/v1/jobs/a'])
    const pending = fetch(`${url}/v1/jobs/a/result?wait=60`, { headers })
    await settle(broker, succeeded('a', '"Hello, Ada"'))
    expect(await (await pending).json()).toEqual({ id: 'a', state: 'succeeded', result: 'Hello, Ada' })
  })
})

test('over a socket a body without a length is refused once it passes the limit', async () => {
  await serve(async ({ url }) => {
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode(' '.repeat(600)))
      },
    })
    expect((await fetch(`${url}/v1/tasks/greet`, { method: 'POST', headers, body })).status).toBe(413)
  })
})

test('over a socket a wait ends when the connection does', async () => {
  await serve(async ({ url, looked, next }) => {
    await fetch(`${url}/v1/tasks/greet?id=a`, { method: 'POST', headers })
    const caller = new AbortController()
    const answered = next('http.request')
    const gone = fetch(`${url}/v1/jobs/a/result?wait=60`, { headers, signal: caller.signal }).catch(() => 'gone')
    await looked
    caller.abort()
    expect(await gone).toBe('gone')
    expect(await answered).toMatchObject({ path: '/v1/jobs/a/result', status: 202 })
  })
})
