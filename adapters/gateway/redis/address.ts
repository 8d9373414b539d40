import { InvalidOption } from '../../../src/errors.ts'

/** Where Redis is, as a url says it. */
export type Address = ServerAddress | SentinelAddress | ClusterAddress

/** One server; the library reads the url. */
export interface ServerAddress {
  readonly kind: 'server'
  readonly tls: boolean
  readonly url: string
}

export interface Node {
  readonly host: string
  readonly port: number
}

export interface Credentials {
  readonly username?: string
  readonly password?: string
}

/** Servers of which sentinels say which one is the primary. */
export interface SentinelAddress {
  readonly kind: 'sentinel'
  readonly tls: boolean
  readonly sentinels: readonly Node[]
  /** What the sentinels call it. */
  readonly name: string
  readonly database: number
  readonly credentials: Credentials
  readonly sentinelCredentials: Credentials
}

/** A Redis Cluster: some of its nodes name all others. */
export interface ClusterAddress {
  readonly kind: 'cluster'
  readonly tls: boolean
  readonly nodes: readonly Node[]
  readonly credentials: Credentials
}

export const URL_FORMS =
  'redis://, rediss:// or unix://, redis+sentinel://host:port,host:port/name or redis+cluster://host:port,host:port (rediss+... with TLS)'
const SEVERAL = /^redis(s?)\+(sentinel|cluster):\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/
const NODE = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/
const UNIX = /^unix:\/\/(?:[^:@/]*(?::[^@/]*)?@)?\/[^?#]+/
const DATABASE = /^(?:\/\d*)?$/
const SERVER = /^\w+:\/\/(?:[^/]*@)?([^?#]*)/
const DEFAULT_PORTS = { sentinel: 26_379, cluster: 6_379 }

/** Throws `InvalidOption`, which never repeats the url: it may hold a password. */
export function parseAddress(url: string): Address {
  if (/^(rediss?:\/\/|unix:)./.test(url)) return toServer(url)
  const [, secure, kind, userInfo = '', nodes = '', path = '', query = ''] = SEVERAL.exec(url) ?? []
  if (kind !== 'sentinel' && kind !== 'cluster') throw invalid('another')
  const common = { tls: secure === 's', credentials: toCredentials(userInfo) }
  const list = nodes.split(',').map((node) => toNode(node, DEFAULT_PORTS[kind]))
  if (kind === 'cluster') {
    if (path !== '' && path !== '0') throw invalid('a cluster with a database other than 0')
    return { kind, ...common, nodes: list }
  }
  const [name = '', database = '0'] = path.split('/')
  if (name === '') throw invalid('sentinels without the name of a primary behind them')
  if (!/^\d{1,5}$/.test(database)) throw invalid('a database that is no number')
  const options = new URLSearchParams(query)
  const [username, password] = [options.get('sentinel_username') ?? '', options.get('sentinel_password') ?? '']
  const sentinelCredentials = given(username, password)
  return { kind, ...common, sentinels: list, name: decode(name), database: Number(database), sentinelCredentials }
}

/** The same Redis, for another user. */
export function withCredentials(url: string, { username = '', password = '' }: Credentials): string {
  const userInfo = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`
  return url.replace(/^([a-z+]+:\/\/)(?:[^/?#]*@)?/, `$1${userInfo}@`)
}

/** As whom Redis is asked. As in other urls it is the last `@` behind which the host is. */
export function userOf(url: string): string {
  const [, user = ''] = /^[a-z+]+:\/\/([^:/?#]*)[^/?#]*@/.exec(url) ?? []
  return decode(user) || 'default'
}

/** Of where it is alone, without user and password. */
export function placeOf(address: Address): string {
  if (address.kind === 'server') return SERVER.exec(address.url)?.[1] ?? ''
  const nodes = address.kind === 'sentinel' ? address.sentinels : address.nodes
  return nodes.map(({ host, port }) => `${host}:${port}`).join(',')
}

/** As far as the library throws at a url, and in words that say which one. */
function toServer(url: string): ServerAddress {
  const isRead = url.startsWith('unix:') ? UNIX.test(url) : URL.canParse(url) && DATABASE.test(new URL(url).pathname)
  if (!isRead) throw invalid('one that cannot be read')
  decode(url) // As the library does, whose error names nothing.
  return { kind: 'server', tls: url.startsWith('rediss:'), url }
}

function toNode(text: string, defaultPort: number): Node {
  const [, ipv6, name, port] = NODE.exec(text) ?? []
  const host = ipv6 ?? name
  if (host === undefined || Number(port ?? 1) > 65_535) throw invalid('a node that is no host:port')
  return { host, port: port === undefined ? defaultPort : Number(port) }
}

/** As in other urls, `:password@` is a password without a user. */
function toCredentials(userInfo: string): Credentials {
  const [username = '', ...rest] = userInfo.split(':')
  return given(decode(username), decode(rest.join(':')))
}

function given(username: string, password: string): Credentials {
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('a part that is not percent-encoded UTF-8')
  }
}

function invalid(got: string): InvalidOption {
  return new InvalidOption('redis', URL_FORMS, got)
}
