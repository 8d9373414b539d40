/** The servers of docs/mounting.md, each called as the documentation of its framework says that it calls. */
import { afterAll, describe, expect, test } from 'bun:test'
import { mkdirSync, rmSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import express from 'express'
import { toListener } from 'tq-edge/node'
import { GREETER } from '../cli/support.ts'
import { ROOT } from './entries.ts'

const FOLDER = join(ROOT, `tests/.tmp-mounting-${process.pid}`)
const own = { Request, Response }
const TOKEN = 'a-token-for-tests'
const closing: (() => unknown)[] = []

process.env.TQ_TOKEN = TOKEN
mkdirSync(FOLDER, { recursive: true })
afterAll(async () => {
  delete process.env.TQ_TOKEN
  for (const close of closing) await close()
  rmSync(FOLDER, { recursive: true })
})

type Fetch = (request: Request) => Response | Promise<Response>
type Handler = (...given: unknown[]) => Response | Promise<Response>
type Exported = Record<string, Handler | undefined>

/** Each block in the file that its first line names, with a store that is gone with this process. */
const page = (await Bun.file(join(ROOT, 'docs/mounting.md')).text())
  .replaceAll('sqliteBroker()', "sqliteBroker({ path: ':memory:' })")
  .replace('import { toFetch }', "import { sqliteBroker } from 'tq-edge/brokers/sqlite'\nimport { toFetch }")
  .replace('kick: true }', 'broker: () => broker }')
  .replace('const tq = toFetch', "const broker = sqliteBroker({ path: ':memory:' })\nconst tq = toFetch")
const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = '']) => code)
const files = blocks.map((code) => [/^\/\/ (\S+\.ts)/.exec(code)?.[1] ?? 'first.ts', code] as const)
await Promise.all(
  [['tq.config.ts', GREETER], ...files].map(([file = '', code = '']) => Bun.write(join(FOLDER, file), code)),
)

const load = async (file: string) => (await import(join(FOLDER, file))) as Record<string, unknown>

/** A server on a socket, as a fetch handler. */
async function listen(listener: RequestListener): Promise<Fetch> {
  const server = createServer(listener)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  closing.push(
    () => server.closeAllConnections(),
    () => server.close(),
  )
  const { port } = server.address() as AddressInfo
  return (request) => {
    const { pathname, search } = new URL(request.url)
    return fetch(new Request(`http://127.0.0.1:${port}${pathname}${search}`, request))
  }
}

const SERVERS: Record<string, { readonly base?: string; readonly start: () => Promise<Fetch> }> = {
  Hono: { base: '/tq', start: async () => ((await load('first.ts')).server as { fetch: Fetch }).fetch },
  'Hono, by a handler': { start: async () => ((await load('hono.ts')).default as { fetch: Fetch }).fetch },
  'Hono on Workers': {
    base: '/tq',
    start: async () => {
      const { fetch } = (await load('worker-app.ts')).default as { fetch: Handler }
      return (request) =>
        fetch(request, { TQ_TOKENS: TOKEN }, { waitUntil: () => {}, passThroughOnException: () => {} })
    },
  },
  'Next.js': {
    start: async () => {
      const route = (await load('app/api/tq/[[...path]]/route.ts')) as Exported
      const params = Promise.resolve({ path: [] })
      return (request) => route[request.method]?.(request, { params }) ?? new Response(null, { status: 405 })
    },
  },
  SvelteKit: {
    start: async () => {
      const { fallback } = (await load('src/routes/api/tq/[...path]/+server.ts')) as Exported
      return (request) => fallback?.({ request, url: new URL(request.url), params: {}, locals: {} }) as Response
    },
  },
  Astro: {
    start: async () => {
      const { ALL } = (await load('src/pages/api/tq/[...path].ts')) as Exported
      return (request) => ALL?.({ request, url: new URL(request.url), params: {}, locals: {} }) as Response
    },
  },
  Express: { start: async () => listen((await load('server.ts')).server as RequestListener) },
  'Express, after its parser': { start: async () => listen((await load('after-parser.ts')).server as RequestListener) },
}

/** A body that comes in two parts, and does not say how many. */
const inTwo = (text: string) =>
  new ReadableStream({
    start(controller) {
      for (const part of [text.slice(0, 5), text.slice(5)]) controller.enqueue(new TextEncoder().encode(part))
      controller.close()
    },
  })

test('every server of the page is called here', () => {
  expect(files.map(([file]) => file).sort()).toEqual([
    'after-parser.ts',
    'app/api/tq/[[...path]]/route.ts',
    'first.ts',
    'hono.ts',
    'server.ts',
    'src/pages/api/tq/[...path].ts',
    'src/routes/api/tq/[...path]/+server.ts',
    'tq.ts',
    'worker-app.ts',
  ])
})

describe.each(Object.entries(SERVERS))('%s', (name, { base = '/api/tq', start }) => {
  const id = name.replaceAll(/\W/g, '')
  const auth = { Authorization: `Bearer ${TOKEN}` }
  const to = (path: string, init: RequestInit = {}) =>
    new Request(`http://localhost${base}${path}`, { ...init, headers: { ...auth, ...init.headers } })
  const json = { 'Content-Type': 'application/json' }

  test('takes a job, tells of it and removes it', async () => {
    const serve = await start()
    const body = JSON.stringify({ name: 'Ada' })
    const posted = await serve(to(`/v1/tasks/greet?id=${id}`, { method: 'POST', body, headers: json }))
    expect([posted.status, posted.headers.get('Location')]).toEqual([202, `${base}/v1/jobs/${id}`])
    const read = await serve(to(`/v1/jobs/${id}`))
    expect(await read.json()).toMatchObject({ id, state: 'queued', input: { name: 'Ada' } })
    const cancelled = await serve(to(`/v1/jobs/${id}/cancel`, { method: 'POST' }))
    expect([cancelled.status, await cancelled.json()]).toEqual([200, { id, outcome: 'cancelled' }])
    expect(await (await serve(to(`/v1/jobs/${id}/events`))).text()).toContain('"state":"cancelled"')
    expect((await serve(to(`/v1/jobs/${id}`, { method: 'DELETE' }))).status).toBe(200)
  })

  test('takes a body of no said length', async () => {
    const serve = await start()
    const body = inTwo('{"name":"Grace"}')
    const posted = await serve(to(`/v1/tasks/greet?id=${id}-2`, { method: 'POST', body, headers: json }))
    expect(posted.status).toBe(202)
    expect(await (await serve(to(`/v1/jobs/${id}-2`))).json()).toMatchObject({ input: { name: 'Grace' } })
  })

  test('answers its refusals as problems', async () => {
    const serve = await start()
    const refused: readonly [request: Request, status: number][] = [
      [to('/v1/jobs', { headers: { Authorization: 'Bearer another' } }), 401],
      [to('/nothing'), 404],
      [to('/v1/jobs', { method: 'PUT' }), 405],
      [to('/v1/tasks/greet', { method: 'POST', body: '{"name":1}', headers: json }), 422],
    ]
    for (const [request, status] of refused) {
      const answer = await serve(request)
      expect([answer.status, answer.headers.get('Content-Type')]).toEqual([status, 'application/problem+json'])
    }
  })
})

test('a page of the Hono app is its own', async () => {
  const serve = await SERVERS.Hono?.start()
  expect(await (await serve?.(new Request('http://localhost/')))?.text()).toBe('my own page')
})

test('a listener leaves the Request and Response of its process as they are', () => {
  toListener(() => new Response(''))
  expect([globalThis.Request === own.Request, globalThis.Response === own.Response]).toEqual([true, true])
})

describe('after express.json()', () => {
  async function start() {
    const { api } = await load('tq.ts')
    const server = express()
    server.use(express.json())
    server.use('/api/tq', toListener((api as { fetch: Fetch }).fetch))
    return listen(server as RequestListener)
  }

  test.each(['with', 'without'])('a call is told what to do, and enqueues nothing, %s a length', async (length) => {
    const serve = await start()
    const text = '{"name":"Ada"}'
    const body = length === 'with' ? text : inTwo(text)
    const headers = { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' }
    const call = new Request(`http://localhost/api/tq/v1/tasks/greet?id=${length}`, { method: 'POST', body, headers })
    const answer = await serve(call)
    expect([answer.status, await answer.json()]).toEqual([
      500,
      {
        type: 'urn:tq:problem:body-read',
        title: 'Something before the API has read the body',
        status: 500,
        detail:
          'expected the body as it was sent, got one that is read already: put the API before what parses bodies, such as express.json()',
      },
    ])
    expect((await serve(new Request(`http://localhost/api/tq/v1/jobs/${length}`, { headers }))).status).toBe(404)
  })

  test('a call without a body is answered, whatever has looked for one', async () => {
    const { api } = await load('tq.ts')
    const listener = toListener((api as { fetch: Fetch }).fetch)
    const serve = await listen((incoming, outgoing) =>
      incoming.resume().once('end', () => listener(incoming, outgoing)),
    )
    expect((await serve(new Request('http://localhost/api/tq/healthz'))).status).toBe(200)
  })
})
