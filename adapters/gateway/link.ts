import { ErrorReply } from '@redis/client'
import type { Command } from './command.ts'
import type { Connection } from './connection.ts'
import type { Reply } from './encoding.ts'

/**
 * Sends commands back to back on the one connection that all requests share, and brings their replies, errors among them.
 *
 * They are written in one go, so Redis executes them in this order and nothing of another request's in between. Throws
 * `Refusal` when Redis is away or takes too long.
 */
export type Link = (commands: readonly Command[]) => Promise<Reply[]>

export function createLink({ client, within }: Connection): Link {
  return (commands) => within(client.sendAll(commands))
}

/** The same, and `onCommands` is told how many go to Redis. */
export function withCount(link: Link, onCommands: (count: number) => void): Link {
  return (commands) => {
    onCommands(commands.length)
    return link(commands)
  }
}

/** The same, with an error in the place of each reply that is larger than allowed; what it answers has been done all the same. */
export function withLimit(link: Link, maxBytes: number): Link {
  return async (commands) => (await link(commands)).map((reply) => limited(reply, maxBytes))
}

function limited(reply: Reply, limitBytes: number): Reply {
  const bytes = sizeOf(reply)
  if (bytes <= limitBytes) return reply
  return new ErrorReply(`ERR max response size exceeded. Limit: ${limitBytes}, Actual: ${bytes}`)
}

/** Of what it holds, without what an encoding adds. */
function sizeOf(reply: Reply): number {
  if (!Array.isArray(reply)) return typeof reply === 'string' || Buffer.isBuffer(reply) ? reply.length : 0
  let bytes = 0
  for (const item of reply) bytes += sizeOf(item)
  return bytes
}
