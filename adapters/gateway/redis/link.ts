import type { Command } from '../protocol/command.ts'
import type { Reply } from '../protocol/encoding.ts'
import type { Connection } from './connection.ts'

/**
 * Sends commands back to back on the one connection that all requests share, and brings their replies, errors among them.
 *
 * They are written in one go, so Redis executes them in this order and nothing of another request's in between. Throws
 * `Refusal` when Redis is away or takes too long.
 */
export type Link = (commands: readonly Command[], take?: Take) => Promise<Reply[]>

/** What is kept of a reply, as soon as it comes. */
export type Take = (reply: Reply) => Reply

export function createLink({ client, within }: Connection): Link {
  return (commands, take) => within(client.sendAll(commands, take))
}

/** The same, and `onCommands` is told how many go to Redis. */
export function withCount(link: Link, onCommands: (count: number) => void): Link {
  return (commands, take) => {
    onCommands(commands.length)
    return link(commands, take)
  }
}
