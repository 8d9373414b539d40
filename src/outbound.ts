/**
 * Where requests may go whose address somebody else has said: pings of schedules, callbacks of jobs. The one place that decides it.
 *
 * An address that is literally in a private network is refused here; a name that resolves to one only where names are resolved by us
 * (`adapters/outbound`). Ranges: the special-purpose registries of RFC 6890, as of 2025, and multicast.
 *
 * @module
 */
import { AddressRefused } from './errors.ts'

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

/** First address and prefix length. */
const NOT_PUBLIC_V4 = toRanges(
  '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3',
)
/** Of 2000::/3 those that are not for anybody; 6to4 and Teredo carry another address. Outside of it nothing is public. */
const NOT_PUBLIC_V6 = toRanges('2001::/23 2001:db8::/32 2002::/16 3fff::/20')
const PUBLIC_V6 = toRanges('2000::/3')
/** Whose last 32 bits are an IPv4 address: mapped, and NAT64's own prefix. */
const CARRIES_V4 = toRanges('::ffff:0:0/96 64:ff9b::/96')

/** Whether an address, as the URL parser or a resolver writes it, is one of the public internet. */
export function isPublicIp(ip: string): boolean {
  const bytes = toBytes(ip)
  if (bytes.length === 4) return !isIn(NOT_PUBLIC_V4, bytes)
  if (isIn(CARRIES_V4, bytes)) return !isIn(NOT_PUBLIC_V4, bytes.slice(12))
  return isIn(PUBLIC_V6, bytes) && !isIn(NOT_PUBLIC_V6, bytes)
}

type Range = readonly [first: readonly number[], bits: number]

function toRanges(list: string): readonly Range[] {
  return list.split(' ').map((range) => {
    const [first = '', bits] = range.split('/')
    return [toBytes(first), Number(bits)]
  })
}

function isIn(ranges: readonly Range[], bytes: readonly number[]): boolean {
  return ranges.some(([first, bits]) =>
    first.every((byte, at) => {
      const mask = (0xff00 >> Math.min(8, Math.max(0, bits - 8 * at))) & 0xff
      return ((byte ^ (bytes[at] ?? 0)) & mask) === 0
    }),
  )
}

/** Of `::1%eth0` the zone says nothing. */
function toBytes(ip: string): readonly number[] {
  if (!ip.includes(':')) return ip.split('.').map(Number)
  const dotted = ip.replace(/%.*$/, '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts) => {
    const [a, b, c, d] = parts.slice(0, 4).map(Number) as [number, number, number, number]
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  })
  const [front = [], back = []] = dotted.split('::').map((half) => half.split(':').filter(Boolean))
  const words = [...front, ...Array(8 - front.length - back.length).fill('0'), ...back]
  return words.flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 0xff])
}
