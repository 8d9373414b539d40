/** IP addresses, and the networks that they are in. */

const DOTTED = /^(.*:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/
const GROUP = /^[\da-f]{1,4}$/i

/** An address as eight groups of 16 bits, one of IPv4 as IPv6 maps it; null for what is none. */
export function groupsOf(address: string): readonly number[] | null {
  const [dotted, before = '::ffff:', ...octets] = DOTTED.exec(address) ?? []
  if (dotted !== undefined) return fromOctets(before, octets.map(Number))
  // A zone says which of this machine's links it is on, not who it is.
  const [head = '', tail, more] = address.replace(/%.*$/, '').split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail ? tail.split(':') : []
  const missing = 8 - left.length - right.length
  if (more !== undefined || (tail === undefined ? missing !== 0 : missing < 1)) return null
  const groups = [...left, ...Array<string>(missing).fill('0'), ...right]
  return groups.every((group) => GROUP.test(group)) ? groups.map((group) => Number.parseInt(group, 16)) : null
}

function fromOctets(before: string, octets: readonly number[]): readonly number[] | null {
  const [a = 0, b = 0, c = 0, d = 0] = octets
  if (Math.max(a, b, c, d) > 255) return null
  return groupsOf(`${before}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`)
}

/**
 * What a caller cannot easily change of its address: of IPv6 the first 64 bits, since each customer of a provider has as many addresses
 * as there are behind them; IPv4 whole, however it is written. What is no IP address stays as it is.
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const groups = groupsOf(address)
  if (!groups) return address
  const [, , , , , mark, high = 0, low = 0] = groups
  if (mark === 0xffff && groups.slice(0, 5).every((group) => group === 0))
    return [high >> 8, high & 255, low >> 8, low & 255].join('.')
  const hex = groups.slice(0, 4).map((group) => group.toString(16))
  return `${hex.join(':')}::/64`
}

/** The addresses that begin with so many bits of this one. */
export interface Network {
  readonly groups: readonly number[]
  readonly bits: number
}

/** An address, or a network such as `10.0.0.0/8`; null for what is neither. */
export function toNetwork(text: string): Network | null {
  const [, address = '', length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const groups = groupsOf(address)
  const bits = length === undefined ? 128 : Number(length) + (address.includes(':') ? 0 : 96)
  return groups && bits <= 128 ? { groups, bits } : null
}

export function isIn(networks: readonly Network[], address: readonly number[]): boolean {
  return networks.some(({ groups, bits }) =>
    groups.every((group, at) => {
      const unused = 16 - Math.min(16, Math.max(0, bits - at * 16))
      return group >> unused === (address[at] ?? 0) >> unused
    }),
  )
}

/** Whether a host's name, as in a url or to listen on, is this machine's own. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|::1|\[::1\]|127(?:\.\d{1,3}){3})$/.test(host)
}
