import { createClient, ErrorReply, RESP_TYPES } from '@redis/client'
import { InvalidOption, Unsupported } from '../../src/errors.ts'

/** Bytes stay bytes, and 64-bit integers exact; what is left as text is a status, which so stays apart from a bulk string. */
const TYPES = { [RESP_TYPES.BLOB_STRING]: Buffer, [RESP_TYPES.NUMBER]: String }
const MAX_RECONNECT_MS = 1_000

/** What the gateway uses of the library. */
export type Client = ReturnType<typeof openClient>

/**
 * A client that, once it has been connected, reconnects for ever, and that fails at once while it is not: a command that
 * waits would run when its caller has long been told that it did not.
 *
 * Throws `InvalidOption` for a url that is none.
 */
export function openClient(url: string, hasBeenReady: () => boolean) {
  if (!/^(rediss?:\/\/|unix:)./.test(url))
    throw new InvalidOption('redis', 'a redis://, rediss:// or unix:// URL', 'another')
  const client = createClient({
    url,
    RESP: 2,
    disableOfflineQueue: true,
    // A request has one deadline; the library's own would make an AbortSignal per command.
    commandOptions: { timeout: 0, typeMapping: TYPES },
    socket: { reconnectStrategy: (retries) => hasBeenReady() && Math.min(25 * 2 ** retries, MAX_RECONNECT_MS) },
  })
  // Without a listener an error would end the process. Whoever has a command under way gets it as well.
  return client.on('error', () => {})
}

/** What went wrong, without the url: it may hold a password. */
export function reasonOf(error: unknown): string {
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
