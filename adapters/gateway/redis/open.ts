import { parseAddress } from './address.ts'
import { type Client, type OpenClientOptions, openServer, reconnectMs, tlsOf } from './client.ts'
import { createClusterClient } from './cluster.ts'
import { createSentinelClient } from './sentinel.ts'
import { completeTracingChannels } from './tracing.ts'

/**
 * A client that, once it has been connected, reconnects for ever, and that fails at once while it is not: a command that
 * waits would run when its caller has long been told that it did not.
 *
 * Throws `InvalidOption` for a url that is none.
 */
export function openClient(url: string, options: OpenClientOptions): Client {
  completeTracingChannels()
  const address = parseAddress(url)
  if (address.kind === 'sentinel') return createSentinelClient(address, options)
  if (address.kind === 'cluster') return createClusterClient(address, options)
  const reconnectStrategy = (retries: number) => options.hasBeenReady() && reconnectMs(retries)
  return openServer({ url: address.url, socket: { reconnectStrategy, ...tlsOf(address.tls, options.ca) } })
}
