import { ErrorReply } from '@redis/client'
import { type Command, upper } from '../protocol/command.ts'
import type { Reply } from '../protocol/encoding.ts'
import { refuseBefore, unavailable } from '../protocol/refusal.ts'
import { type KeySpec, textOf, toKeySpec, toTexts } from './key-specs.ts'
import type { Link } from './link.ts'

/** What Redis says of one of its commands. */
export interface Entry {
  /** In lower case; that of a subcommand as `config|get`. */
  readonly name: string
  readonly flags: ReadonlySet<string>
  /** As ACLs have them: `@read`. */
  readonly categories: ReadonlySet<string>
  /** Where its keys are; `undefined` where Redis itself does not know. */
  readonly keys: readonly KeySpec[] | undefined
}

/** Says which of Redis's commands this is; `undefined` for one that it does not have. */
export type Catalog = (command: Command) => Entry | undefined

export interface CatalogLoader {
  /** Throws `Refusal` when Redis is away. */
  current(): Promise<Catalog>
  /** Another Redis may have come in its place, with other commands. */
  forget(): void
}

/** What Redis says of its commands, asked when somebody first needs it, and again where it did not say. */
export function createCatalogLoader(link: Link): CatalogLoader {
  let loading: Promise<Catalog> | undefined

  async function load(): Promise<Catalog> {
    const [reply = null] = await link([['COMMAND']]).catch(refuseBefore)
    // Such as NOPERM, or BUSY: nothing is known then, and nothing is kept.
    if (reply instanceof ErrorReply) throw unavailable(`COMMAND says ${reply.message.split(' ')[0]}`)
    return toCatalog(reply)
  }

  function start(): Promise<Catalog> {
    const started = load()
    started.catch(() => {
      if (loading === started) loading = undefined
    })
    return started
  }

  return {
    current() {
      loading ??= start()
      return loading
    },
    forget() {
      loading = undefined
    },
  }
}

interface Known extends Entry {
  readonly subcommands: ReadonlyMap<string, Known>
}

/** Reads the reply of `COMMAND`. */
export function toCatalog(reply: Reply): Catalog {
  const known = toKnown(reply)
  return ([name, word]) => {
    const command = known.get(upper(name).toLowerCase())
    if (!command || command.subcommands.size === 0 || word === undefined) return command
    return command.subcommands.get(`${command.name}|${upper(word).toLowerCase()}`)
  }
}

function toKnown(reply: Reply | undefined): ReadonlyMap<string, Known> {
  const entries = Array.isArray(reply) ? reply.filter(Array.isArray).map(toEntry) : []
  return new Map(entries.map((entry) => [entry.name, entry]))
}

function toEntry([name, , flags, , , , categories, , keys, subcommands]: readonly Reply[]): Known {
  const specs: readonly (KeySpec | undefined)[] = Array.isArray(keys) ? keys.map(toKeySpec) : []
  return {
    name: textOf(name).toLowerCase(),
    flags: new Set(toTexts(flags)),
    categories: new Set(toTexts(categories)),
    keys: specs.every((spec) => spec !== undefined) ? specs : undefined,
    subcommands: toKnown(subcommands),
  }
}
