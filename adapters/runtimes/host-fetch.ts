import { type LookupAddress, type LookupAllOptions, lookup } from 'node:dns'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { LookupFunction } from 'node:net'
import { AddressRefused } from '../../src/errors.ts'
import { checkOutbound, type Fetch, isAllowed, isPublicIp, type OutboundOptions } from '../../src/outbound.ts'

/** `lookup` of `node:dns`, or the like of it. */
export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  done: (error: Error | null, addresses: LookupAddress[]) => void,
) => void

export interface HostFetchOptions extends Pick<OutboundOptions, 'allowHosts'> {
  /** Default the system's. */
  readonly resolve?: Resolve
}

/**
 * Sends requests whose addresses somebody else has said, on Node, Bun and Deno: none to a private network, whatever a name resolves to.
 *
 * The address that was looked at is the one that is connected to, so that no name can change between. Redirects are not followed, and
 * of the answer nothing is read but its status and headers. Rejects with `AddressRefused`.
 *
 * @example
 * ```ts
 * import { hostFetch } from 'tq-edge/node'
 *
 * const fetch = hostFetch()
 * const sent = fetch(new Request('http://127.0.0.1:8787/healthz'))
 * console.log(await sent.catch(({ name }) => name)) // AddressRefused
 * ```
 */
export function hostFetch({ allowHosts = [], resolve = lookup }: HostFetchOptions = {}): Fetch {
  return async (request) => {
    checkOutbound(request.url, allowHosts)
    const body = new Uint8Array(await request.arrayBuffer())
    return send(request, body, lookupWith(resolve, isAllowed(request.url, allowHosts)))
  }
}

function send(request: Request, body: Uint8Array, guard: LookupFunction): Promise<Response> {
  const { url, method, headers, signal } = request
  return new Promise((answer, reject) => {
    const start = url.startsWith('https:') ? requestHttps : requestHttp
    const length = body.length > 0 ? { 'content-length': String(body.length) } : {}
    const outgoing = start(url, {
      method,
      headers: { ...Object.fromEntries(headers), ...length },
      signal,
      // A connection of before may be to an address of before.
      agent: false,
      lookup: guard,
    })
    outgoing.on('error', reject)
    outgoing.on('response', (incoming) => {
      // What is left of the answer may be endless.
      incoming.destroy()
      const { statusCode: status = 0, headers: told } = incoming
      const retryAfter = told['retry-after']
      if (status < 200 || status > 599) reject(new Error(`expected a status from 200 to 599, got ${status}`))
      else answer(new Response(null, { status, headers: retryAfter ? { 'Retry-After': retryAfter } : {} }))
    })
    outgoing.end(body)
  })
}

/** All that a name resolves to has to be public: which of them is taken is not said here. */
function lookupWith(resolve: Resolve, isPrivateAllowed: boolean): LookupFunction {
  return (hostname, options, done) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return done(error, '')
      if (!isPrivateAllowed && !addresses.every(({ address }) => isPublicIp(address)))
        return done(new AddressRefused(hostname), '')
      if (options.all) return done(null, addresses)
      const [first] = addresses
      done(null, first?.address ?? '', first?.family)
    })
  }
}
