/** What citty leaves open: unknown flags, flags without their value, words too many, flags given more than once. */
import type { ArgsDef } from 'citty'
import leven from 'leven'
import { UsageError } from './errors.ts'

interface Flag {
  /** As typed, without dashes. */
  readonly name: string
  readonly value: string | undefined
}

interface Split {
  readonly flags: readonly Flag[]
  readonly words: readonly string[]
}

/** Throws `UsageError` for what the command does not take. */
export function checkFlags(rawArgs: readonly string[], args: ArgsDef, { variadic }: { variadic: boolean }): void {
  const { flags, words } = split(rawArgs, args)
  const known = knownFlags(args)
  for (const { name, value } of flags) {
    if (!known.includes(name))
      throw new UsageError(`expected a flag of this command, got --${name}${didYouMean(name, known)}`)
    if (takesValue(name, args) && value === undefined)
      throw new UsageError(`expected a value after --${name}, got none`)
  }
  const places = Object.values(args).filter(({ type }) => type === 'positional').length
  const extra = words[places]
  if (extra !== undefined && !variadic)
    throw new UsageError(`expected ${places === 0 ? 'flags alone' : `at most ${places} words`}, got "${extra}" as well`)
}

/** Every value of a flag that may be repeated. */
export function valuesOf(name: string, rawArgs: readonly string[], args: ArgsDef): string[] {
  return split(rawArgs, args).flags.flatMap((flag) =>
    flag.name === name && flag.value !== undefined ? [flag.value] : [],
  )
}

/** ` did you mean ...?` for the known word that looks most like it; empty when none does. */
export function didYouMean(word: string, known: readonly string[], prefix = '--'): string {
  const [closest] = known.map((name) => ({ name, edits: leven(word, name) })).sort((a, b) => a.edits - b.edits)
  if (!closest || closest.edits > Math.max(2, word.length / 3)) return ': --help names them'
  return `: did you mean ${prefix}${closest.name}?`
}

function split(rawArgs: readonly string[], args: ArgsDef): Split {
  const flags: Flag[] = []
  const words: string[] = []
  for (let at = 0; at < rawArgs.length; at++) {
    const arg = rawArgs[at] as string
    if (arg === '--') return { flags, words: [...words, ...rawArgs.slice(at + 1)] }
    if (!arg.startsWith('-') || arg === '-') {
      words.push(arg)
      continue
    }
    const [, name = '', value] = /^--?([^=]*)(?:=([\s\S]*))?$/.exec(arg) ?? []
    const next = rawArgs[at + 1]
    const takesNext = value === undefined && takesValue(name, args) && next !== undefined && !next.startsWith('--')
    flags.push({ name, value: takesNext ? next : value })
    if (takesNext) at++
  }
  return { flags, words }
}

function takesValue(name: string, args: ArgsDef): boolean {
  return args[name]?.type === 'string' || args[name]?.type === 'enum'
}

function knownFlags(args: ArgsDef): string[] {
  return Object.entries(args).flatMap(([name, { type, default: byDefault }]) => {
    if (type === 'positional') return []
    return byDefault === true ? [name, `no-${name}`] : [name]
  })
}
