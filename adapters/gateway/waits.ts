import type { Command } from './command.ts'
import type { Connection } from './connection.ts'
import type { Reply } from './encoding.ts'
import { createLink, type Link } from './link.ts'
import { refuseRest, unavailable } from './refusal.ts'
import { upper } from './restricted.ts'

/** Each holds a connection of Redis's. */
const MAX_WAITS = 100
/** Of a request's deadline: Redis is to say how far it got before the gateway gives up on it, and looks only every 100 ms. */
const SHARE_OF_DEADLINE = 0.5
const W = 0x57
const SMALL_W = 0x77

export interface WaitsOptions {
  readonly connect: () => Promise<Connection>
  readonly deadlineMs: number
}

/**
 * A link on which WAIT and WAITAOF keep nobody else waiting: each gets a connection of its own, once what stands before it has
 * been answered. As on Upstash they wait for all writes before them, whoever sent them.
 *
 * In a transaction they wait for nothing, so one goes as it is.
 */
export function withWaits(link: Link, { connect, deadlineMs }: WaitsOptions): Link {
  let waits = 0

  async function wait(command: Command) {
    if (waits >= MAX_WAITS) throw unavailable(`${MAX_WAITS} others wait for its replicas`)
    waits++
    try {
      const connection = await connect().catch((error: Error) => {
        throw unavailable(error.message)
      })
      // A connection waits for what was written before its last command.
      const replies = createLink(connection)([['PING'], bounded(command, deadlineMs * SHARE_OF_DEADLINE)])
      return (await replies.finally(connection.close))[1] ?? null
    } finally {
      waits--
    }
  }

  return async (commands, take) => {
    if (commands[0]?.[0] === 'MULTI' || !commands.some(isWait)) return link(commands, take)
    const replies: Reply[] = []
    for (let at = 0; at < commands.length; ) {
      const next = commands.findIndex((command, index) => index >= at && isWait(command))
      const end = next === -1 ? commands.length : next
      if (end > at) replies.push(...(await link(commands.slice(at, end), take).catch((error) => refuseRest(error, at))))
      if (next !== -1) replies.push(await wait(commands[next] as Command).catch((error) => refuseRest(error, end)))
      at = end + 1
    }
    return replies
  }
}

/** By its first letter first: a batch has tens of thousands of commands. */
function isWait([name = '']: Command): boolean {
  const first = typeof name === 'string' ? name.charCodeAt(0) : name[0]
  if (first !== W && first !== SMALL_W) return false
  return upper(name) === 'WAIT' || upper(name) === 'WAITAOF'
}

/** Its last argument is how long it may take, 0 for ever. What is no number is for Redis to refuse. */
function bounded(command: Command, maxMs: number): Command {
  const ms = Number(command.at(-1))
  return ms === 0 || ms > maxMs ? [...command.slice(0, -1), String(Math.floor(maxMs))] : command
}
