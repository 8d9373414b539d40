import type { Command } from './command.ts'
import type { Reply } from './encoding.ts'
import { upper } from './restricted.ts'
import { createScripts } from './scripts.ts'
import { withoutSecrets } from './secrets.ts'

/** A command as Redis gets it, and what the caller gets for Redis's reply when that is no error. */
export interface Prepared {
  readonly command: Command
  readonly answer?: (reply: Reply) => Reply
}

/** The url's database is the only one there is, and the caller's number 0; a real SELECT would move the shared connection. */
const SELECTED: Prepared = { command: ['PING'], answer: () => 'OK' }

/** What changes on a command's way to Redis. */
export function createPrepare(): (command: Command) => Prepared {
  const prepareScript = createScripts()
  return (command) => {
    const name = upper(command[0])
    if (name === 'SELECT') return SELECTED
    return name === 'CONFIG' && upper(command[1]) === 'GET'
      ? { command, answer: withoutSecrets }
      : prepareScript(command)
  }
}
