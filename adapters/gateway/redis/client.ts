import { rootCertificates } from 'node:tls'
import { createClient, ErrorReply, RESP_TYPES, type RedisClientOptions } from '@redis/client'
import type { Clock } from '../../../src/clock.ts'
import { BrokerUnavailable, Unsupported } from '../../../src/errors.ts'
import type { Command } from '../protocol/command.ts'
import type { Reply } from '../protocol/encoding.ts'
import type { Take } from './link.ts'

/** Bytes stay bytes, and 64-bit integers exact; what is left as text is a status, which so stays apart from a bulk string. */
const TYPES = { [RESP_TYPES.BLOB_STRING]: Buffer, [RESP_TYPES.NUMBER]: String }
/** A request has one deadline; the library's own would make an AbortSignal per command. */
export const COMMAND_OPTIONS = { timeout: 0, typeMapping: TYPES }
/** Of several nodes one that does not answer within that is passed over. */
export const NODE_MS = 1_000
const MAX_RECONNECT_MS = 1_000

export type Listener = (message: string | Buffer, channel: string | Buffer) => void

/** What the gateway uses of Redis, be it one server, the one that sentinels name, or a cluster. */
export interface Client {
  readonly isReady: boolean
  connect(): Promise<unknown>
  close(): Promise<unknown>
  destroy(): void
  sendCommand<T = Reply>(command: Command): Promise<T>
  /**
   * In this order, and back to back where one server executes them. Replies, of which `take` says what is kept, may be errors of
   * Redis's; it rejects when Redis is away.
   */
  sendAll(commands: readonly Command[], take?: Take): Promise<Reply[]>
  subscribe(channel: string, listener: Listener, bufferMode: true): Promise<void>
  unsubscribe(channel: string, listener: Listener, bufferMode: true): Promise<void>
  pSubscribe(pattern: string, listener: Listener, bufferMode: true): Promise<void>
  pUnsubscribe(pattern: string, listener: Listener, bufferMode: true): Promise<void>
  /** Every command that is run from now on; this client then serves nothing else. */
  monitor(listener: (line: unknown) => void): Promise<unknown>
  /** Once more each time that it has been lost and is there again. */
  on(event: 'ready', listener: () => void): unknown
  on(event: 'error', listener: (error: unknown) => void): unknown
}

export interface OpenClientOptions {
  readonly clock: Clock
  /** Certificates, as PEM, to trust beside the usual ones. */
  readonly ca?: string | undefined
  /** Whether it reconnects: at the start the first failure is one. */
  readonly hasBeenReady: () => boolean
}

/** Said in words of our own: TypeScript would spell the library's in the declarations, by paths that no user can import. */
export interface ServerClient extends Client {
  once(event: 'error', listener: (error: unknown) => void): unknown
}

/** A client of one server. */
export function openServer(
  options: Pick<RedisClientOptions, 'url' | 'socket' | 'username' | 'password' | 'database'>,
): ServerClient {
  const client = createClient({ ...options, RESP: 2, disableOfflineQueue: true, commandOptions: COMMAND_OPTIONS })
  // Without a listener an error would end the process. Whoever has a command under way gets it as well.
  client.on('error', () => {})
  // A socket that is being opened when its client is destroyed is opened all the same, and nobody would close it.
  client.on('connect', () => {
    if (!client.isOpen) client.destroy()
  })
  const sendAll = (commands: readonly Command[], take?: Take) => {
    const replies = commands.map((command) => client.sendCommand<Reply>(command).then(take, toReply))
    return commands.length === 1 || commands[0]?.[0] === 'MULTI' ? Promise.all(replies) : allOf(replies)
  }
  return Object.assign(client, { sendAll })
}

/** What a socket has of TLS. */
export function tlsOf(tls: boolean, ca: string | undefined): { tls?: true; ca?: string[] } {
  return tls ? { tls: true, ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }) } : {}
}

export function reconnectMs(retries: number): number {
  return Math.min(25 * 2 ** retries, MAX_RECONNECT_MS)
}

/** A server that says so has nothing to answer with yet, or not any more: it is as good as away. */
const AWAY = /^(LOADING|CLUSTERDOWN|MASTERDOWN) /

/** What Redis has refused for such a reason, it has not run; nor the transaction that it is part of. */
export class NotServed extends Error {
  override name = 'NotServed' as const
}

/** An error of Redis's is an answer like others. */
export function toReply(error: unknown): ErrorReply {
  if (!(error instanceof ErrorReply)) throw error
  if (isAway(error)) throw new NotServed(error.message)
  return error
}

export function isAway({ message }: ErrorReply): boolean {
  return AWAY.test(message)
}

/** Some commands are served at any time, so that only where none was, none has run. */
async function allOf(replies: readonly Promise<Reply>[]): Promise<Reply[]> {
  try {
    return await Promise.all(replies)
  } catch (error) {
    const outcomes = await Promise.allSettled(replies)
    const isUnserved = outcomes.every((outcome) => outcome.status === 'rejected' && outcome.reason instanceof NotServed)
    throw error instanceof NotServed && !isUnserved ? new Error(error.message) : error
  }
}

/** What went wrong, without the url: it may hold a password. */
export function reasonOf(error: unknown): string {
  if (error instanceof BrokerUnavailable) return error.reason
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  const { code, message, name } = error as { code?: unknown; message?: string; name?: string }
  return typeof code === 'string' ? code : message || name || 'no reason'
}

/** Throws `Unsupported` for a Redis older than 7.0. One that does not tell its version is taken as it is. */
export async function checkVersion(client: Client): Promise<void> {
  const info = await client.sendCommand<Buffer>(['INFO', 'server']).catch((error: unknown) => {
    if (error instanceof ErrorReply && error.message.startsWith('NOPERM')) return ''
    throw error
  })
  const version = /^redis_version:(\S+)/m.exec(info.toString())?.[1]
  if (version !== undefined && Number.parseInt(version, 10) < 7)
    throw new Unsupported('Redis 7.0 or newer, or Valkey', `Redis ${version}`, 'update the server')
}
