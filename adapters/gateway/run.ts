import { ErrorReply } from '@redis/client'
import type { Command } from './command.ts'
import { errorBody, type Reply, toBody } from './encoding.ts'
import type { Link } from './link.ts'
import type { Prepared } from './prepare.ts'
import { badRequest } from './refusal.ts'
import { refusalOf } from './restricted.ts'
import type { Refuse } from './rights.ts'

export interface Runner {
  /** One command: its reply's body, or `Refusal`. */
  command(command: Command, base64: boolean): Promise<string>
  /** Commands back to back, each with a result or an error of its own. */
  pipeline(commands: readonly Command[], base64: boolean): Promise<string>
  /** All commands or none. Throws `Refusal` where Redis, or the gateway, takes none of them. */
  transaction(commands: readonly Command[], base64: boolean): Promise<string>
}

export function createRunner(link: Link, prepare: (command: Command) => Prepared, refuse: Refuse = refusalOf): Runner {
  return {
    async command(command, base64) {
      const prepared = allowed(command, prepare, refuse)
      const [reply = null] = await link([prepared.command])
      return toBody(refuseError(answered(prepared, reply)), base64)
    },
    async pipeline(commands, base64) {
      const refusals = commands.map((command) =>
        command.length === 0 ? 'ERR empty pipeline command' : refuse(command),
      )
      const sent = commands.filter((_, at) => refusals[at] === undefined).map(prepare)
      const replies = sent.length > 0 ? await link(sent.map(({ command }) => command)) : []
      let next = 0
      const toItem = (refusal: string | undefined) =>
        refusal === undefined ? itemOf(sent[next], replies[next++], base64) : errorBody(refusal)
      return `[${refusals.map(toItem).join(',')}]`
    },
    async transaction(commands, base64) {
      const sent = commands.map((command) => allowed(command, prepare, refuse))
      const replies = await link([['MULTI'], ...sent.map(({ command }) => command), ['EXEC']])
      const results = refuseError(replies.at(-1) ?? null)
      if (!Array.isArray(results)) throw badRequest('EXECABORT Transaction discarded because of previous errors.')
      return `[${sent.map((prepared, at) => itemOf(prepared, results[at], base64)).join(',')}]`
    },
  }
}

function allowed(command: Command, prepare: (command: Command) => Prepared, refuse: Refuse): Prepared {
  if (command.length === 0) throw badRequest('ERR empty command')
  const refusal = refuse(command)
  if (refusal !== undefined) throw badRequest(refusal)
  return prepare(command)
}

function itemOf(prepared: Prepared | undefined, reply: Reply | undefined, base64: boolean): string {
  return toBody(answered(prepared, reply ?? null), base64)
}

function answered(prepared: Prepared | undefined, reply: Reply): Reply {
  return prepared?.answer !== undefined && !(reply instanceof ErrorReply) ? prepared.answer : reply
}

function refuseError(reply: Reply): Reply {
  if (reply instanceof ErrorReply) throw badRequest(reply.message)
  return reply
}
