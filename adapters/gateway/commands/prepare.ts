import { type Command, upper } from '../protocol/command.ts'
import type { Reply } from '../protocol/encoding.ts'
import type { Seal } from '../tokens/acl-token.ts'
import { prepareAcl } from './acl.ts'
import { createScripts } from './scripts.ts'
import { withoutSecrets } from './secrets.ts'

/** A command as Redis gets it, and what the caller gets for Redis's reply when that is no error. */
export interface Prepared {
  readonly command: Command
  readonly answer?: (reply: Reply) => Reply
}

export type Prepare = (command: Command) => Prepared

/** The url's database is the only one there is, and the caller's number 0; a real SELECT would move the shared connection. */
const SELECTED: Prepared = { command: ['PING'], answer: () => 'OK' }

/** What changes on a command's way to Redis, for callers who have a seal, and for others. */
export function createPrepare(): (seal?: Seal) => Prepare {
  const prepareScript = createScripts()
  return (seal) => (command) => {
    const name = upper(command[0])
    if (name === 'SELECT') return SELECTED
    if (name === 'CONFIG' && upper(command[1]) === 'GET') return { command, answer: withoutSecrets }
    return seal && name === 'ACL' ? prepareAcl(command, seal) : prepareScript(command)
  }
}
