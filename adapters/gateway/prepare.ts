import type { Command } from './command.ts'
import type { Reply } from './encoding.ts'
import { upper } from './restricted.ts'
import { createScripts } from './scripts.ts'

/** A command as Redis gets it, and what the caller gets instead of Redis's reply when that is no error. */
export interface Prepared {
  readonly command: Command
  readonly answer?: Reply
}

/** The url's database is the only one there is, and the caller's number 0; a real SELECT would move the shared connection. */
const SELECTED: Prepared = { command: ['PING'], answer: 'OK' }

/** What changes on a command's way to Redis. */
export function createPrepare(): (command: Command) => Prepared {
  const prepareScript = createScripts()
  return (command) => (upper(command[0]) === 'SELECT' ? SELECTED : prepareScript(command))
}
