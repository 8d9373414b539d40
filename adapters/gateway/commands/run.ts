import { ErrorReply } from '@redis/client'
import type { Command } from '../protocol/command.ts'
import type { Reply } from '../protocol/encoding.ts'
import { badRequest } from '../protocol/refusal.ts'
import type { Link } from '../redis/link.ts'
import type { Refuse } from '../tokens/rights.ts'
import type { Prepare, Prepared } from './prepare.ts'

export interface Runner {
  /** One command's reply, or `Refusal`. */
  command(command: Command): Promise<Reply>
  /** Commands back to back, each with a reply or an error of its own. */
  pipeline(commands: readonly Command[]): Promise<readonly Reply[]>
  /** All commands or none. Throws `Refusal` where Redis, or the gateway, takes none of them. */
  transaction(commands: readonly Command[]): Promise<readonly Reply[]>
}

export function createRunner(link: Link, prepare: Prepare, refuse: Refuse): Runner {
  return {
    async command(command) {
      const prepared = allowed(command, prepare, refuse)
      const [reply] = await link([prepared.command])
      return refuseError(answered(prepared, reply))
    },
    async pipeline(commands) {
      const refusals = commands.map((command) =>
        command.length === 0 ? 'ERR empty pipeline command' : refuse(command),
      )
      const sent = commands.filter((_, at) => refusals[at] === undefined).map(prepare)
      const replies = sent.length > 0 ? await link(sent.map(({ command }) => command)) : []
      let next = 0
      return refusals.map((refusal) =>
        refusal === undefined ? answered(sent[next], replies[next++]) : new ErrorReply(refusal),
      )
    },
    async transaction(commands) {
      const sent = commands.map((command) => allowed(command, prepare, refuse))
      const replies = await link([['MULTI'], ...sent.map(({ command }) => command), ['EXEC']])
      const results = refuseError(replies.at(-1) ?? null)
      if (!Array.isArray(results)) throw badRequest('EXECABORT Transaction discarded because of previous errors.')
      return sent.map((prepared, at) => answered(prepared, results[at]))
    },
  }
}

function allowed(command: Command, prepare: Prepare, refuse: Refuse): Prepared {
  if (command.length === 0) throw badRequest('ERR empty command')
  const refusal = refuse(command)
  if (refusal !== undefined) throw badRequest(refusal)
  return prepare(command)
}

function answered(prepared: Prepared | undefined, reply: Reply = null): Reply {
  return prepared?.answer && !(reply instanceof ErrorReply) ? prepared.answer(reply) : reply
}

function refuseError(reply: Reply): Reply {
  if (reply instanceof ErrorReply) throw badRequest(reply.message)
  return reply
}
