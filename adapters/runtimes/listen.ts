import type { ServerType } from '@hono/node-server'
import { sleep, systemClock } from '../../src/clock.ts'
import { InvalidOption } from '../../src/errors.ts'

export type FetchHandler = (request: Request) => Response | Promise<Response>

/** The address at the other end of a request's connection; nothing where there is none any more. */
export type PeerOf = () => string | undefined

/** One that may want to know who calls. */
export type PeerHandler = (request: Request, peerOf: PeerOf) => Response | Promise<Response>

export interface ListenOptions {
  /** 0 takes any free one. */
  readonly port: number
  /** Default `127.0.0.1`: this machine alone. */
  readonly hostname?: string
  /** To serve over TLS, 1.2 or newer. Default: in clear text. */
  readonly tls?: TlsFiles | undefined
  /** How long a client may take to send a request's headers, and all of it, on Node. Default 30,000 and 120,000. */
  readonly headersMs?: number
  readonly requestMs?: number
  /** The largest body that the handler takes: what is over 128 MiB, Bun refuses by itself unless this is more. */
  readonly maxBodyBytes?: number | undefined
  /** How long requests under way are given when it closes. Default 1,000. */
  readonly graceMs?: number
}

/** What TLS is served with, each as PEM. */
export interface TlsFiles {
  /** The server's certificate first, then those that lead to a known one. */
  readonly cert: string
  readonly key: string
}

export interface Listening {
  readonly url: string
  readonly port: number
  /** Takes no new requests, gives those under way their time, then cuts them off. */
  close(): Promise<void>
}

/** What each runtime's server comes down to. */
interface Server {
  readonly port: number
  /** Resolves once no request is under way. */
  drain(): Promise<unknown>
  cut(): unknown
}

interface BunServer {
  readonly port: number
  requestIP(request: Request): { readonly address: string } | null
  stop(closeActiveConnections?: boolean): Promise<void>
}

interface BunGlobal {
  serve(options: {
    readonly fetch: (request: Request, server: BunServer) => Response | Promise<Response>
    readonly [option: string]: unknown
  }): BunServer
}

interface DenoGlobal {
  serve(
    options: object,
    handler: (
      request: Request,
      info: { readonly remoteAddr: { readonly hostname?: string } },
    ) => Response | Promise<Response>,
  ): { readonly addr: { readonly port: number }; shutdown(): Promise<void> }
}

const LOOPBACK = '127.0.0.1'
const CLOSE_GRACE_MS = 1_000
/** How often a Node that closes looks for connections that have become idle. */
const LOOK_MS = 50
const HEADERS_MS = 30_000
/** Longer than any wait that the REST API grants; Bun's own default of 10 s would cut off `result?wait=10`. */
const IDLE_MS = 120_000
const BUN_MAX_BODY_BYTES = 128 * 1_048_576

/**
 * Serves a fetch handler over HTTP, or HTTPS, on Bun, Deno and Node.
 *
 * Throws `InvalidOption` for a port that is taken.
 */
export async function listen(fetch: PeerHandler, options: ListenOptions): Promise<Listening> {
  const { port, hostname = LOOPBACK, tls, graceMs = CLOSE_GRACE_MS } = options
  const server = await start(fetch, { ...options, hostname }).catch((error: unknown) => {
    throw isTaken(error) ? new InvalidOption('port', 'a free one', `${port}, which is taken`) : error
  })
  const host = hostname.includes(':') ? `[${hostname}]` : hostname
  const url = `${tls ? 'https' : 'http'}://${host}:${server.port}`
  return { url, port: server.port, close: () => close(server, graceMs) }
}

/** Node refuses a `Host` that no address has; elsewhere it is part of `request.url`, and whoever parsed that would throw. */
function byRealAddress(fetch: PeerHandler): PeerHandler {
  return (request, peerOf) => {
    if (URL.canParse(request.url)) return fetch(request, peerOf)
    return new Response('expected a Host header that names a host, got another', { status: 400 })
  }
}

async function start(fetch: PeerHandler, options: ListenOptions): Promise<Server> {
  const { Bun, Deno } = globalThis as { Bun?: BunGlobal; Deno?: DenoGlobal }
  if (Bun) return onBun(Bun, byRealAddress(fetch), options)
  return Deno ? onDeno(Deno, byRealAddress(fetch), options) : onNode(fetch, options)
}

/** A connection on which nothing moves is closed, but for one that has not sent its headers: Bun has no limit for that. */
function onBun(
  bun: BunGlobal,
  fetch: PeerHandler,
  { port, hostname, tls, requestMs = IDLE_MS, maxBodyBytes = 0 }: ListenOptions,
): Server {
  const server = bun.serve({
    port,
    hostname,
    ...(tls && { tls }),
    maxRequestBodySize: Math.max(BUN_MAX_BODY_BYTES, maxBodyBytes),
    idleTimeout: Math.ceil(requestMs / 1_000),
    // What a handler throws is for the log: Bun would answer with a page that shows the source.
    development: false,
    fetch: (request, server) => fetch(request, () => server.requestIP(request)?.address),
  })
  return { port: server.port, drain: () => server.stop(), cut: () => server.stop(true) }
}

/** Deno's server has limits for what is sent, and none for how long that takes. */
function onDeno(deno: DenoGlobal, fetch: PeerHandler, { port, hostname, tls }: ListenOptions): Server {
  const cutting = new AbortController()
  const options = { port, hostname, ...tls, signal: cutting.signal, onListen: () => {} }
  const server = deno.serve(options, (request, { remoteAddr }) => fetch(request, () => remoteAddr.hostname))
  return { port: server.addr.port, drain: () => server.shutdown(), cut: () => cutting.abort() }
}

async function onNode(fetch: PeerHandler, options: ListenOptions): Promise<Server> {
  const { port, hostname = LOOPBACK, tls, headersMs = HEADERS_MS, requestMs = IDLE_MS } = options
  const { serve } = await import('@hono/node-server')
  const limits = {
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: Math.ceil(headersMs / 10),
  }
  const secure = tls && {
    createServer: (await import('node:https')).createServer,
    serverOptions: { ...limits, ...tls, minVersion: 'TLSv1.2' as const },
  }
  return new Promise((resolve, reject) => {
    const server = serve(
      {
        fetch: (request, { incoming }) => fetch(request, () => incoming.socket.remoteAddress),
        port,
        hostname,
        ...(secure ?? { serverOptions: limits }),
      },
      (address) =>
        resolve({
          port: address.port,
          drain: () => drainNode(server),
          cut: () => 'closeAllConnections' in server && server.closeAllConnections(),
        }),
    )
    server.once('error', reject)
  })
}

/** It closes the connections that are idle by then, and none that is so later. */
function drainNode(server: ServerType): Promise<unknown> {
  const idle = setInterval(() => 'closeIdleConnections' in server && server.closeIdleConnections(), LOOK_MS)
  return new Promise((drained) => server.close(drained)).finally(() => clearInterval(idle))
}

async function close(server: Server, graceMs: number): Promise<void> {
  const drained = server.drain().then(() => true)
  const waiting = new AbortController()
  const late = sleep(systemClock, graceMs, waiting.signal).then(() => false)
  if (!(await Promise.race([drained, late]))) await server.cut()
  waiting.abort()
}

/** Bun and Node say EADDRINUSE; Deno names the class. */
function isTaken(error: unknown): boolean {
  const { code, name } = error as { code?: unknown; name?: unknown }
  return code === 'EADDRINUSE' || name === 'AddrInUse'
}
