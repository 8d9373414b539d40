import { ErrorReply } from '@redis/client'
import type { Clock } from '../../../src/clock.ts'
import { type Command, upper } from '../protocol/command.ts'
import type { Reply } from '../protocol/encoding.ts'
import { refuseRest, unavailable } from '../protocol/refusal.ts'
import { reasonOf } from '../redis/client.ts'
import type { Connection } from '../redis/connection.ts'
import { createLink, type Link } from '../redis/link.ts'

/** Requests at a time, of all users: each holds a connection of Redis's. */
const MAX_WAITING = 100
/** Of a request's deadline: Redis is to say how far it got before the gateway gives up on it, and looks only every 100 ms. */
const SHARE_OF_DEADLINE = 0.5
/**
 * A write that changes nothing: it restores the functions of a dump in which there are none, as Redis 7.0 writes it. From Redis 7.2
 * on, and on Valkey, a connection waits for its own last write, and with it for all before it. Unlike PUBLISH it is one for the
 * append-only file and in a cluster as well.
 */
const MARK: Command = ['FUNCTION', 'RESTORE', Buffer.from('0a005d9b5c400f7fa2da', 'hex')]
/** Who may not, or cannot, write it waits as Redis 7.0 has it: for what was written before the connection's last command. */
const PING: Command = ['PING']
const NEVER_TAKEN = /^(NOPERM|ERR) /
const W = 0x57
const SMALL_W = 0x77

/** How many wait at present, on whatever link. */
export interface Waiting {
  requests: number
}

export interface WaitsOptions {
  readonly connect: () => Promise<Connection>
  /** Default: those on this link alone. */
  readonly waiting?: Waiting
  readonly deadlineMs: number
  readonly clock: Clock
}

/** Of one request: they share a connection, which the first of them opens, and the moment at which the last of them has to end. */
interface Waits {
  wait(command: Command): Promise<Reply>
  close(): Promise<void>
}

/**
 * A link on which WAIT and WAITAOF keep nobody else waiting: a request with some gets a connection of its own for them, and each runs once
 * what stands before it has been answered. As on Upstash they wait for all writes before them, whoever sent them.
 *
 * In a transaction they wait for nothing, so one goes as it is.
 */
export function withWaits(link: Link, { connect, waiting = { requests: 0 }, deadlineMs, clock }: WaitsOptions): Link {
  async function open(): Promise<Connection> {
    if (waiting.requests >= MAX_WAITING) throw unavailable(`${MAX_WAITING} others wait for its replicas`)
    waiting.requests++
    return connect().catch((error: unknown) => {
      waiting.requests--
      throw unavailable(reasonOf(error))
    })
  }

  function createWaits(): Waits {
    const endsAt = clock.monotonic() + deadlineMs * SHARE_OF_DEADLINE
    let connection: Connection | undefined
    return {
      async wait(command) {
        connection ??= await open()
        const commands = [MARK, PING, bounded(command, Math.floor(endsAt - clock.monotonic()))]
        const [marked = null, , reply = null] = await createLink(connection)(commands)
        return isRefused(marked) && !(reply instanceof ErrorReply) ? marked : reply
      },
      async close() {
        if (connection) await connection.close().finally(() => waiting.requests--)
      },
    }
  }

  return (commands, take) => {
    if (commands[0]?.[0] === 'MULTI' || !commands.some(isWait)) return link(commands, take)
    const waits = createWaits()
    return runInTurn(commands, (part) => link(part, take), waits.wait).finally(waits.close)
  }
}

async function runInTurn(commands: readonly Command[], link: Link, wait: Waits['wait']): Promise<Reply[]> {
  const replies: Reply[] = []
  for (let at = 0; at < commands.length; at++) {
    const before = at
    while (at < commands.length && !isWait(commands[at] as Command)) at++
    if (at > before)
      replies.push(...(await link(commands.slice(before, at)).catch((error) => refuseRest(error, before))))
    const command = commands[at]
    if (command) replies.push(await wait(command).catch((error) => refuseRest(error, at)))
  }
  return replies
}

/** Redis takes no writes at present: nothing tells how far replicas have to be, and a number would be a guess. */
function isRefused(marked: Reply): boolean {
  return marked instanceof ErrorReply && !NEVER_TAKEN.test(marked.message)
}

/** By its first letter first: a batch has tens of thousands of commands. */
function isWait([name = '']: Command): boolean {
  const first = typeof name === 'string' ? name.charCodeAt(0) : name[0]
  if (first !== W && first !== SMALL_W) return false
  return upper(name) === 'WAIT' || upper(name) === 'WAITAOF'
}

/**
 * Its last argument is how long it may take, 0 for ever. Once there is no time left it asks for nobody, which Redis answers at once, with as
 * many as there are. What is no number is for Redis to refuse.
 */
function bounded(command: Command, maxMs: number): Command {
  if (maxMs < 1) return command.map((argument) => (isNumber(argument) ? '0' : argument))
  const last = command.at(-1) ?? ''
  const isLonger = isNumber(last) && (Number(last) === 0 || Number(last) > maxMs)
  return isLonger ? [...command.slice(0, -1), String(maxMs)] : command
}

function isNumber(argument: Command[number]): boolean {
  return /^\d+$/.test(String(argument))
}
