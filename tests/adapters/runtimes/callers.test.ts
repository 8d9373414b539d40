import { expect, test } from 'bun:test'
import { createCallers, type TrustedProxies } from '../../../adapters/runtimes/callers.ts'

interface Forwarded {
  readonly for?: string
  readonly proto?: string
  readonly host?: string
}

const URL_AT_TQ = 'http://tq.internal:8787/hooks/twilio?a=%20b'

/** What a server that trusts such proxies makes of a request from a peer with such headers. */
function seen(trustedProxies: TrustedProxies, peer: string | undefined, forwarded: Forwarded) {
  const callers = createCallers({ trustedProxies })
  const headers = new Headers(Object.entries(forwarded).map(([name, value]) => [`X-Forwarded-${name}`, value]))
  const request = new Request(URL_AT_TQ, { method: 'POST', body: 'text', headers })
  const received = callers.receive(request, () => peer)
  return { url: received.url, from: callers.addressOf(received), received }
}

const SPOOFED: Forwarded = { for: '6.6.6.6', proto: 'https', host: 'evil.example' }

test('where no proxy is trusted, a caller is who is at the other end, whatever it says', () => {
  expect(seen(0, '192.0.2.1', SPOOFED)).toMatchObject({ from: '192.0.2.1', url: URL_AT_TQ })
})

test.each<[TrustedProxies, string, string, string]>([
  [1, '10.0.0.9', '6.6.6.6, 192.0.2.1', '192.0.2.1'],
  [2, '10.0.0.9', '6.6.6.6, 192.0.2.1, 10.0.0.8', '192.0.2.1'],
  [3, '10.0.0.9', '192.0.2.1', '192.0.2.1'],
  [1, '10.0.0.9', '192.0.2.1:50123', '192.0.2.1'],
  [1, '10.0.0.9', '[2001:db8::1]:50123', '2001:db8::1'],
  [1, '10.0.0.9', '2001:db8::1', '2001:db8::1'],
  [1, '10.0.0.9', 'unknown', '10.0.0.9'],
  [1, '10.0.0.9', '192.0.2.1, _hidden', '10.0.0.9'],
  [1, '10.0.0.9', '', '10.0.0.9'],
  [['10.0.0.0/8'], '10.0.0.9', '6.6.6.6, 192.0.2.1, 10.200.0.8', '192.0.2.1'],
  [['10.0.0.0/8'], '11.0.0.9', '6.6.6.6', '11.0.0.9'],
  [['10.0.0.0/8'], '::ffff:10.0.0.9', '192.0.2.1', '192.0.2.1'],
  [['10.0.0.9'], '10.0.0.8', '192.0.2.1', '10.0.0.8'],
  [['10.0.0.0/9'], '10.128.0.1', '192.0.2.1', '10.128.0.1'],
  [['2001:db8::/33'], '2001:db8:7fff::1', '192.0.2.1', '192.0.2.1'],
  [['2001:db8::/33'], '2001:db8:8000::1', '192.0.2.1', '2001:db8:8000::1'],
  [['127.0.0.1', '::1'], '::1', '192.0.2.1', '192.0.2.1'],
  [['0.0.0.0/0'], '10.0.0.9', '6.6.6.6, 192.0.2.1', '6.6.6.6'],
])('with %p trusted, %s that says %p has forwarded for %s', (trusted, peer, header, from) => {
  expect(seen(trusted, peer, { for: header }).from).toBe(from)
})

test.each<[Forwarded, string]>([
  [{ proto: 'https' }, 'https://tq.internal:8787/hooks/twilio?a=%20b'],
  [{ proto: 'https', host: 'app.example' }, 'https://app.example/hooks/twilio?a=%20b'],
  [{ host: 'app.example:8443' }, 'http://app.example:8443/hooks/twilio?a=%20b'],
  [{ proto: 'HTTPS', host: '[2001:db8::1]' }, 'https://[2001:db8::1]/hooks/twilio?a=%20b'],
  // What stands before the last entry, the caller may have sent.
  [{ proto: 'http, https', host: 'evil.example, app.example' }, 'https://app.example/hooks/twilio?a=%20b'],
  [{ proto: 'javascript', host: 'user@evil.example/path?' }, URL_AT_TQ],
  [{ host: 'app.example:99999' }, URL_AT_TQ],
])('the address that was called is what a trusted proxy says: %j', async (forwarded, url) => {
  const { received } = seen(1, '10.0.0.9', forwarded)
  expect([received.url, received.method, await received.text()]).toEqual([url, 'POST', 'text'])
  expect(seen(['10.0.0.0/8'], '192.0.2.1', forwarded).url).toBe(URL_AT_TQ)
})

test('whose connection has gone comes from nowhere', () => {
  expect(seen(1, undefined, SPOOFED)).toMatchObject({ from: undefined, url: URL_AT_TQ })
})

test('through a proxy that nobody has named comes nobody who could shut out the others, and that is said once', () => {
  const unnamed: string[] = []
  const callers = createCallers({ onUnnamedProxy: (address) => unnamed.push(address) })
  const from = (peer: string, headers: HeadersInit = {}) =>
    callers.addressOf(callers.receive(new Request(URL_AT_TQ, { headers }), () => peer))
  const forwarded = { 'X-Forwarded-For': '192.0.2.1' }
  expect(['127.0.0.1', '::ffff:10.1.2.3', 'fd00::1'].map((peer) => from(peer, forwarded))).toEqual(
    Array(3).fill(undefined),
  )
  expect([from('127.0.0.1'), from('192.0.2.2', forwarded)]).toEqual(['127.0.0.1', '192.0.2.2'])
  expect(unnamed).toEqual(['127.0.0.1'])
})

test.each<[TrustedProxies]>([
  [-1],
  [1.5],
  [['proxy.example']],
  [['10.0.0.0/33']],
  [['::/129']],
  [['10.0.0.0/8/8']],
  [['']],
])('proxies named %p are refused', (trustedProxies) => {
  expect(() => createCallers({ trustedProxies })).toThrow('expected trustedProxies to be a number of proxies, or')
})
