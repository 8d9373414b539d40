/**
 * What a token may do. What is not known is refused: a command that Redis does not name, one whose keys it cannot tell, and
 * for a token with prefixes one that has no keys at all.
 */

import { type Command, decode, upper } from '../protocol/command.ts'
import { badRequest } from '../protocol/refusal.ts'
import type { Catalog, Entry } from '../redis/catalog.ts'
import { keysOf } from '../redis/key-specs.ts'
import type { Rights } from './token.ts'

/** The error for a command that is refused, `undefined` for any other. */
export type Refuse = (command: Command) => string | undefined

export interface Check {
  readonly refuse: (catalog: Catalog) => Refuse
  /** The error for a stream of messages that is refused. */
  readonly refuseStream: (kind: string, channels: readonly string[]) => string | undefined
}

/** They neither read nor change anything. */
const HARMLESS: ReadonlySet<string> = new Set(['ping', 'echo', 'time', 'select'])
const LISTING: ReadonlySet<string> = new Set(['keys', 'scan', 'clusterscan', 'randomkey'])
const PUBLISHING: ReadonlySet<string> = new Set(['publish', 'spublish'])
const STREAMS: ReadonlySet<string> = new Set(['subscribe', 'psubscribe'])
/** For whoever may run scripts: what concerns nobody else's, and what any script of theirs could ask. */
const WITH_SCRIPTS: ReadonlySet<string> = new Set(['script|load', 'script|exists', 'info'])
const SCRIPTING = /^(?:eval|fcall|script|function)/

// The texts are Upstash's and Redis's.
const noCommand = (name: string) =>
  `NOPERM this user has no permissions to run the '${name.slice(0, 128)}' command or its subcommand`
const noAccess = (what: 'keys' | 'channels') =>
  `NOPERM this user has no permissions to access one of the ${what} used as arguments`

export function createCheck({ readOnly = false, prefixes, commands, scripts = false }: Rights): Check {
  const listed = commands && new Set(commands.map((name) => name.toLowerCase()))
  const isOwn = prefixes ? createIsOwn(prefixes) : () => true

  function mayRun(entry: Entry): boolean {
    if (readOnly && !isRead(entry)) return false
    if (!scripts && SCRIPTING.test(entry.name)) return false
    return listed === undefined || isListed(entry, listed)
  }

  function refuseOutside(command: Command, entry: Entry): string | undefined {
    if (HARMLESS.has(entry.name) || (scripts && WITH_SCRIPTS.has(entry.name))) return undefined
    if (PUBLISHING.has(entry.name)) return isOwn(command[1] ?? '') ? undefined : noAccess('channels')
    const keys = isConfined(entry, command) && entry.keys?.length ? keysOf(entry.keys, command) : undefined
    // One with none could be none that Redis reads another way; a script says so itself.
    if (!keys || (keys.length === 0 && !SCRIPTING.test(entry.name))) return noCommand(entry.name)
    return keys.every(isOwn) ? undefined : noAccess('keys')
  }

  return {
    refuse: (catalog) => (command) => {
      const entry = catalog(command)
      if (!entry || !mayRun(entry)) return noCommand(entry?.name ?? upper(command[0]).toLowerCase())
      return prefixes && refuseOutside(command, entry)
    },
    refuseStream(kind, channels) {
      if (!STREAMS.has(kind) || (listed && !listed.has(kind))) return noCommand(kind)
      return channels.every(isOwn) ? undefined : noAccess('channels')
    },
  }
}

/** Whoever reads a stream sees what others do. Throws `Refusal` for one that is not the caller's, before it is opened. */
export function checkStream(check: Check | undefined, path: string): void {
  if (!check) return
  const [word = '', ...channels] = path.split('/')
  const kind = decode(word).toLowerCase()
  if (kind !== 'monitor' && !STREAMS.has(kind)) return
  const refused = check.refuseStream(kind, channels.map(decode))
  if (refused !== undefined) throw badRequest(refused)
}

function isRead({ name, flags }: Entry): boolean {
  return HARMLESS.has(name) || (flags.has('readonly') && !flags.has('admin') && !LISTING.has(name))
}

function isListed({ name, categories }: Entry, listed: ReadonlySet<string>): boolean {
  const [container = name] = name.split('|')
  return listed.has(name) || listed.has(container) || [...categories].some((category) => listed.has(category))
}

/**
 * Whether its keys are all that it reaches. A module's command reaches what it likes (an index of every key), a prefix is one of
 * this database's, and what is for administrators is about all keys.
 */
function isConfined({ name, flags }: Entry, command: Command): boolean {
  if (flags.has('module') || flags.has('admin') || name === 'move') return false
  return name !== 'copy' || !command.slice(3).some((word) => upper(word) === 'DB')
}

/** By bytes, as Redis has them. */
function createIsOwn(prefixes: readonly string[]): (name: string | Buffer) => boolean {
  const bytes = prefixes.map((prefix) => Buffer.from(prefix))
  return (name) =>
    typeof name === 'string'
      ? prefixes.some((prefix) => name.startsWith(prefix))
      : bytes.some((prefix) => name.subarray(0, prefix.length).equals(prefix))
}
