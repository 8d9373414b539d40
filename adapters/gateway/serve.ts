import { InvalidOption } from '../../src/errors.ts'
import { isLoopback } from '../../src/networks.ts'
import { createCallers, type TrustedProxies } from '../runtimes/callers.ts'
import { type Listening, listen, type PeerHandler, type TlsFiles } from '../runtimes/listen.ts'
import { createGateway, DEFAULT_DEADLINE_MS, type GatewayOptions } from './gateway.ts'

export interface ServeGatewayOptions extends Omit<GatewayOptions, 'addressOf'> {
  /** 0 takes any free one. */
  readonly port: number
  /** Default `127.0.0.1`: this machine alone. */
  readonly hostname?: string
  /** To serve over TLS. Default: in clear text. */
  readonly tls?: TlsFiles | undefined
  /** Listen in clear text on a hostname that other machines reach: with a proxy in front that has TLS. Default false. */
  readonly beyondLoopback?: boolean
  /** The proxies in front, for the addresses that `onRequest` is told: how many, or their addresses and networks. Default none. */
  readonly trustedProxies?: TrustedProxies | undefined
}

/** After the gateway has given up on a request, so that its answer still arrives. */
const ANSWER_MS = 1_000

/**
 * A gateway that listens over HTTP or HTTPS, on Bun, Deno and Node.
 *
 * Throws as `createGateway` does, and `InvalidOption` for a port that is taken, a hostname beyond this machine without TLS, and
 * for what names no proxies.
 */
export async function serveGateway({
  port,
  hostname = '127.0.0.1',
  tls,
  beyondLoopback = false,
  trustedProxies,
  ...options
}: ServeGatewayOptions): Promise<Listening> {
  if (!beyondLoopback && !tls && !isLoopback(hostname))
    throw new InvalidOption('hostname', 'a loopback address unless tls or beyondLoopback is set', hostname)
  const { deadlineMs = DEFAULT_DEADLINE_MS, maxBodyBytes } = options
  const { receive, addressOf } = createCallers({ trustedProxies })
  const gateway = await createGateway({ ...options, addressOf })
  // Who calls is asked for the sake of the log alone.
  const fetch: PeerHandler = options.onRequest
    ? (request, peerOf) => gateway.fetch(receive(request, peerOf))
    : gateway.fetch
  const server = await listen(fetch, { port, hostname, tls, maxBodyBytes, graceMs: deadlineMs + ANSWER_MS }).catch(
    async (error: unknown) => {
      await gateway.close()
      throw error
    },
  )
  return {
    ...server,
    // Both at once: the server takes no more connections, and waits for the streams, which the gateway ends.
    close: async () => {
      await Promise.all([server.close(), gateway.close()])
    },
  }
}
