/**
 * Where requests come from, behind proxies or without: what `X-Forwarded-For`, `-Proto` and `-Host` say counts as far as a proxy that the
 * operator has named vouches for it, read from the right, and no further.
 *
 * RFC 7239's `Forwarded` is left alone: a proxy that writes the one hands on the other as the caller has sent it.
 *
 * @module
 */
import { InvalidOption } from '../../src/errors.ts'
import type { AddressOf } from '../../src/http/failures.ts'
import { groupsOf, isIn, toNetwork } from '../../src/networks.ts'
import type { PeerOf } from './listen.ts'

/** So many proxies, counted from here; or those with these addresses or in these networks, such as `10.0.0.0/8`. */
export type TrustedProxies = number | readonly string[]

export interface CallersOptions {
  /** Default 0: no header is believed. */
  readonly trustedProxies?: TrustedProxies | undefined
  /** Told once, when a request comes through a proxy that nobody has named. */
  readonly onUnnamedProxy?: (address: string) => void
}

export interface Callers {
  /** The request under the address that its caller has used. */
  receive(request: Request, peerOf: PeerOf): Request
  /** Of a request that was received: where it comes from, or nothing where only an unnamed proxy knows. */
  readonly addressOf: AddressOf
}

type Trusts = (address: string, hop: number) => boolean

/** Where a proxy is that a caller cannot be: this machine, and networks that no router on the internet knows. */
const LOCAL: readonly string[] = [
  ...['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '169.254.0.0/16'],
  ...['::1', 'fc00::/7', 'fe80::/10'],
]

/** Throws `InvalidOption` for what names no proxies. */
export function createCallers({ trustedProxies = 0, onUnnamedProxy }: CallersOptions = {}): Callers {
  const trusts = toTrusts(trustedProxies)
  const behindProxies = trustedProxies !== 0
  const isLocal = toTrusts(LOCAL)
  const peers = new WeakMap<Request, PeerOf>()
  let told = false

  function callerOf(headers: Headers, peer: string): string | undefined {
    if (behindProxies) return farthest(peer, forwardedBy(headers, 'For'), trusts)
    if (!headers.has('X-Forwarded-For') || !isLocal(peer, 0)) return peer
    if (!told) onUnnamedProxy?.(peer)
    told = true
    // All who come through that proxy would be one, and one of them could shut out the others.
    return undefined
  }

  return {
    receive(request, peerOf) {
      const received = behindProxies ? asCalled(request, peerOf, trusts) : request
      peers.set(received, peerOf)
      return received
    },
    addressOf(request) {
      const peer = peers.get(request)?.()
      return peer === undefined ? undefined : callerOf(request.headers, peer)
    },
  }
}

function toTrusts(trusted: TrustedProxies): Trusts {
  if (typeof trusted === 'number') {
    if (!(Number.isSafeInteger(trusted) && trusted >= 0)) throw invalid(String(trusted))
    return (_, hop) => hop < trusted
  }
  const networks = trusted.map((text) => {
    const network = toNetwork(text)
    if (!network) throw invalid(`"${text.slice(0, 100)}"`)
    return network
  })
  return (address) => {
    const groups = groupsOf(address)
    return groups !== null && isIn(networks, groups)
  }
}

function invalid(got: string) {
  const expected = 'a number of proxies, or addresses and networks such as 127.0.0.1 or 10.0.0.0/8'
  return new InvalidOption('trustedProxies', expected, got)
}

/** Each hop that is trusted says who was before it; the first that is not, or that says nothing which is an address, is the caller. */
function farthest(peer: string, forwarded: readonly string[], trusts: Trusts): string {
  let address = peer
  for (let hop = 0; trusts(address, hop); hop++) {
    const before = withoutPort(forwarded[hop] ?? '')
    if (!groupsOf(before)) return address
    address = before
  }
  return address
}

function withoutPort(text: string): string {
  const [, v6, v4] = /^(?:\[(.*)\]|(\d+(?:\.\d+){3}))(?::\d+)?$/.exec(text) ?? []
  return v6 ?? v4 ?? text
}

/** What proxies have written, the nearest first. */
function forwardedBy(headers: Headers, what: 'For' | 'Proto' | 'Host'): readonly string[] {
  const text = headers.get(`X-Forwarded-${what}`)
  return text === null
    ? []
    : text
        .split(',')
        .map((entry) => entry.trim())
        .reverse()
}

const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i

/** By what the nearest proxy says: it alone is known to have written the last entry. */
function asCalled(request: Request, peerOf: PeerOf, trusts: Trusts): Request {
  const { headers, url } = request
  const [proto = ''] = forwardedBy(headers, 'Proto')
  const [host = ''] = forwardedBy(headers, 'Host')
  const peer = peerOf()
  if ((proto === '' && host === '') || peer === undefined || !trusts(peer, 0)) return request
  const { origin, protocol, host: calledHost } = new URL(url)
  const scheme = /^https?$/i.test(proto) ? `${proto.toLowerCase()}:` : protocol
  const called = `${scheme}//${HOST.test(host) ? host : calledHost}${url.slice(origin.length)}`
  return called === url || !URL.canParse(called) ? request : new Request(called, request)
}
