import { sleep, systemClock } from '../../src/clock.ts'
import { InvalidOption } from '../../src/errors.ts'

export type FetchHandler = (request: Request) => Response | Promise<Response>

export interface ListenOptions {
  /** 0 takes any free one. */
  readonly port: number
  /** Default `127.0.0.1`: this machine alone. */
  readonly hostname?: string
}

export interface Listening {
  readonly url: string
  readonly port: number
  /** Takes no new requests, gives those under way a second, then cuts them off. */
  close(): Promise<void>
}

/** What each runtime's server comes down to. */
interface Server {
  readonly port: number
  /** Resolves once no request is under way. */
  drain(): Promise<unknown>
  cut(): unknown
}

interface BunGlobal {
  serve(options: object): { readonly port: number; stop(closeActiveConnections?: boolean): Promise<void> }
}

interface DenoGlobal {
  serve(options: object, handler: FetchHandler): { readonly addr: { readonly port: number }; shutdown(): Promise<void> }
}

const CLOSE_GRACE_MS = 1_000
/** Longer than any wait that the REST API grants; Bun's own default of 10 s would cut off `result?wait=10`. */
const IDLE_SECONDS = 120

/**
 * Serves a fetch handler over HTTP on Bun, Deno and Node.
 *
 * Throws `InvalidOption` for a port that is taken.
 */
export async function listen(fetch: FetchHandler, { port, hostname = '127.0.0.1' }: ListenOptions): Promise<Listening> {
  const server = await start(fetch, port, hostname).catch((error: unknown) => {
    throw isTaken(error) ? new InvalidOption('port', 'a free one', `${port}, which is taken`) : error
  })
  const host = hostname.includes(':') ? `[${hostname}]` : hostname
  return { url: `http://${host}:${server.port}`, port: server.port, close: () => close(server) }
}

async function start(fetch: FetchHandler, port: number, hostname: string): Promise<Server> {
  const { Bun, Deno } = globalThis as { Bun?: BunGlobal; Deno?: DenoGlobal }
  if (Bun) return onBun(Bun, fetch, port, hostname)
  return Deno ? onDeno(Deno, fetch, port, hostname) : onNode(fetch, port, hostname)
}

function onBun(bun: BunGlobal, fetch: FetchHandler, port: number, hostname: string): Server {
  const server = bun.serve({ fetch, port, hostname, idleTimeout: IDLE_SECONDS })
  return { port: server.port, drain: () => server.stop(), cut: () => server.stop(true) }
}

function onDeno(deno: DenoGlobal, fetch: FetchHandler, port: number, hostname: string): Server {
  const cutting = new AbortController()
  const server = deno.serve({ port, hostname, signal: cutting.signal, onListen: () => {} }, fetch)
  return { port: server.addr.port, drain: () => server.shutdown(), cut: () => cutting.abort() }
}

async function onNode(fetch: FetchHandler, port: number, hostname: string): Promise<Server> {
  const { serve } = await import('@hono/node-server')
  return new Promise((resolve, reject) => {
    const server = serve({ fetch, port, hostname }, (address) =>
      resolve({
        port: address.port,
        drain: () => new Promise((drained) => server.close(drained)),
        cut: () => 'closeAllConnections' in server && server.closeAllConnections(),
      }),
    )
    server.once('error', reject)
  })
}

async function close(server: Server): Promise<void> {
  const drained = server.drain().then(() => true)
  const waiting = new AbortController()
  const late = sleep(systemClock, CLOSE_GRACE_MS, waiting.signal).then(() => false)
  if (!(await Promise.race([drained, late]))) await server.cut()
  waiting.abort()
}

/** Bun and Node say EADDRINUSE; Deno names the class. */
function isTaken(error: unknown): boolean {
  const { code, name } = error as { code?: unknown; name?: unknown }
  return code === 'EADDRINUSE' || name === 'AddrInUse'
}
