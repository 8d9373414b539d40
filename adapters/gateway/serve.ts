import { InvalidOption } from '../../src/errors.ts'
import { type Listening, listen } from '../runtimes/listen.ts'
import { createGateway, type GatewayOptions } from './gateway.ts'

export interface ServeGatewayOptions extends GatewayOptions {
  /** 0 takes any free one. */
  readonly port: number
  /** Default `127.0.0.1`: this machine alone. */
  readonly hostname?: string
  /** Listen on a hostname that other machines reach. Tokens travel in clear text: put TLS in front. Default false. */
  readonly beyondLoopback?: boolean
}

/**
 * A gateway that listens over HTTP, on Bun, Deno and Node.
 *
 * Throws as `createGateway` does, and `InvalidOption` for a port that is taken or a hostname beyond this machine.
 */
export async function serveGateway({
  port,
  hostname = '127.0.0.1',
  beyondLoopback = false,
  ...options
}: ServeGatewayOptions): Promise<Listening> {
  if (!beyondLoopback && !isLoopback(hostname))
    throw new InvalidOption('hostname', 'a loopback address unless beyondLoopback is set', hostname)
  const gateway = await createGateway(options)
  const server = await listen(gateway.fetch, { port, hostname }).catch(async (error: unknown) => {
    await gateway.close()
    throw error
  })
  return {
    ...server,
    // The gateway first: it ends the streams, for which the server would wait.
    close: async () => {
      await gateway.close()
      await server.close()
    },
  }
}

function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' || hostname === '::1' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname)
  )
}
