import type { Broker } from './broker.ts'

/** What a process has cost so far; nothing where the store bills nothing. */
export interface Spent {
  /** Executed for it by the store, those inside scripts included. */
  readonly commands?: number
}

/** As a part of what is told of a process. */
export function spentOn(broker: Broker): Spent {
  const commands = broker.commandsSpent?.()
  return commands === undefined ? {} : { commands }
}
