import { ErrorReply } from '@redis/client'
import type { Command } from '../protocol/command.ts'
import { badRequest, refuseBefore } from '../protocol/refusal.ts'
import type { Link } from '../redis/link.ts'

const NOTHING: readonly Command[] = [['MULTI'], ['EXEC']]

/**
 * A link for users who may not be allowed to MULTI: of those Redis would run a transaction's commands all the same, one by one. An empty
 * one tells before each, since rights change at any moment.
 */
export function withBegin(link: Link): Link {
  return async (commands, take) => {
    if (commands[0]?.[0] === 'MULTI') {
      const [begun] = await link(NOTHING).catch(refuseBefore)
      if (begun instanceof ErrorReply) throw badRequest(begun.message)
    }
    return link(commands, take)
  }
}
