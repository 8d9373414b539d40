import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { bodyRead } from '../../src/http/body.ts'
import { problemResponse } from '../../src/http/problem.ts'
import type { FetchHandler } from './listen.ts'

export type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void

/** What a framework on `node:http` may have put there. */
interface Handed {
  /** The whole path, where it has cut `url`. */
  readonly originalUrl?: string
  /** The bytes that it has read: `@hono/node-server` takes them for the body. */
  readonly rawBody?: unknown
}

/** The process is somebody else's: its `Request` and `Response` stay as they are. */
const OPTIONS = { overrideGlobalObjects: false }

/**
 * Turns a fetch handler into a listener of `node:http`, for Express and whatever else calls one, at any path.
 *
 * A request whose body something before it has read is answered 500, and told what to do.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { createApi } from 'tq-edge/http'
 * import { toListener } from 'tq-edge/node'
 *
 * const broker = sqliteBroker({ path: ':memory:' })
 * const api = createApi({ broker, tokens: ['a-long-random-token'] })
 * const server = createServer(toListener(api.fetch)) // with Express: server.use('/api/tq', toListener(api.fetch))
 * await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
 * const { port } = server.address() as { port: number }
 * console.log((await fetch(`http://127.0.0.1:${port}/healthz`)).status) // 200
 * server.close()
 * await broker.close()
 * ```
 */
export function toListener(fetch: FetchHandler): Listener {
  const answer = getRequestListener((request) => fetch(toOwn(request)), OPTIONS)
  const refuse = getRequestListener(() => problemResponse(bodyRead()), OPTIONS)
  return (incoming: IncomingMessage & Handed, outgoing) => {
    incoming.url = incoming.originalUrl ?? incoming.url ?? '/'
    const isBodyGone = incoming.readableDidRead && !(incoming.rawBody instanceof Buffer)
    void (isBodyGone ? refuse : answer)(incoming, outgoing)
  }
}

/** What there was is like a `Request`, and not one that the process's own `Request` would take for one. */
function toOwn(like: Request): Request {
  const { method, headers, body, signal, url } = like
  return new Request(url, { method, headers, signal, ...(body && { body, duplex: 'half' }) })
}
