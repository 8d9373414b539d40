/**
 * Where requests may go whose address somebody else has said: pings of schedules, callbacks of jobs. The one place that decides it.
 *
 * An address that is literally in a private network is refused here; a name that resolves to one only where names are resolved by us
 * (`hostFetch`). Ranges: the special-purpose registries of RFC 6890, as of 2025, and multicast.
 *
 * @module
 */
import { AddressRefused } from './errors.ts'
import { groupsOf, isIn, toNetwork } from './networks.ts'

/** Sends a request; what fetch is on every platform. */
export type Fetch = (request: Request) => Promise<Response>

/** By its own name: some platforms' `fetch` minds being called as a property. */
export const platformFetch: Fetch = (request) => fetch(request)

export interface OutboundOptions {
  /** Hosts that may be reached although they are private, and by `http://`: `hooks.internal`, `10.0.0.7`, `localhost:9000`. */
  readonly allowHosts?: readonly string[] | undefined
  /** Sends a request. Default the platform's own; `hostFetch` of `tq-edge/node` looks at what a name resolves to as well. */
  readonly fetch?: Fetch | undefined
}

/** Throws `AddressRefused` for an address that is in a private network, as far as it says so itself. */
export function checkOutbound(url: string, allowHosts: readonly string[] = []): void {
  const { hostname, origin } = new URL(url)
  if (isAllowed(url, allowHosts)) return
  const literal = hostname.replace(/^\[|\]$/g, '')
  if (PRIVATE_NAME.test(hostname) || (isIp(literal) && !isPublicIp(literal))) throw new AddressRefused(origin)
}

/** Whether a host is named among those allowed, with its port or without. */
export function isAllowed(url: string, allowHosts: readonly string[]): boolean {
  const { host, hostname } = new URL(url)
  return allowHosts.some((allowed) => allowed.toLowerCase() === host || allowed.toLowerCase() === hostname)
}

/** Names that no public server has: RFC 6761, RFC 6762, and what clouds call their metadata by. */
const PRIVATE_NAME = /^(?:.*\.)?(?:localhost|local|internal|home\.arpa|localdomain)\.?$|^[^.:[\]]+\.?$/

const isIp = (host: string) => host.includes(':') || /^\d+(?:\.\d+){3}$/.test(host)

const toNetworks = (list: string) => list.split(' ').flatMap((text) => toNetwork(text) ?? [])

const NOT_PUBLIC = toNetworks(
  '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3 ' +
    // Of 2000::/3 those that are not for anybody; 6to4 and Teredo carry another address.
    '2001::/23 2001:db8::/32 2002::/16 3fff::/20',
)
/** Outside of it nothing is public. */
const PUBLIC_V6 = toNetworks('2000::/3')
/** Whose last 32 bits are an IPv4 address: mapped, as every one of IPv4 is read, and NAT64's own prefix. */
const CARRIES_V4 = toNetworks('::ffff:0:0/96 64:ff9b::/96')
const MAPPED = [0, 0, 0, 0, 0, 0xffff]

/** Whether an address, as the URL parser or a resolver writes it, is one of the public internet. */
export function isPublicIp(ip: string): boolean {
  const groups = groupsOf(ip)
  if (!groups) return false
  if (isIn(CARRIES_V4, groups)) return !isIn(NOT_PUBLIC, [...MAPPED, ...groups.slice(6)])
  return isIn(PUBLIC_V6, groups) && !isIn(NOT_PUBLIC, groups)
}
