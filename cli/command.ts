import { type ArgsDef, defineCommand, type ParsedArgs, renderUsage, runCommand } from 'citty'
import { checkFlags } from './flags.ts'

/** What `tq` needs to know of a command; made by `command` and `group`. */
export interface Command {
  readonly name: string
  readonly description: string
  readonly examples: readonly string[]
  /** Of a group: its commands, the first of which runs when none is named. */
  readonly commands?: readonly Command[]
  usage(parent: string): Promise<string>
  /** Resolves with the exit code. Throws `UsageError` for flags that there are not. */
  run(rawArgs: readonly string[]): Promise<number>
}

export interface CommandDefinition<Args extends ArgsDef> {
  readonly name: string
  readonly description: string
  readonly examples: readonly string[]
  readonly args: Args
  /** Takes any number of words in the place of its last one. */
  readonly variadic?: boolean
  run(args: ParsedArgs<Args>, rawArgs: readonly string[]): Promise<number>
}

/** A command: citty parses its arguments, after a check that says of an unknown flag which one was meant. */
export function command<const Args extends ArgsDef>(definition: CommandDefinition<Args>): Command {
  const { name, description, examples, args, variadic = false, run } = definition
  const citty = (rawArgs: readonly string[]) =>
    defineCommand<Args>({ meta: { name, description }, args, run: (context) => run(context.args, rawArgs) })
  return {
    name,
    description,
    examples,
    usage: (parent) => renderUsage({ meta: { name, description }, args }, { meta: { name: parent } }),
    async run(rawArgs) {
      checkFlags(rawArgs, args, { variadic })
      return (await runCommand(citty(rawArgs), { rawArgs: [...rawArgs] })).result as number
    },
  }
}

/** Commands under one name; `tq jobs` is its first one, `tq jobs list`. */
export function group(name: string, description: string, commands: readonly [Command, ...Command[]]): Command {
  const [first] = commands
  return {
    name,
    description,
    examples: commands.flatMap(({ examples }) => examples),
    commands,
    async usage(parent) {
      const width = Math.max(...commands.map((each) => each.name.length))
      const lines = commands.map((each) => `  ${each.name.padEnd(width)}  ${each.description}`)
      return `${await first.usage(`${parent} ${name}`)}\nCOMMANDS\n\n${lines.join('\n')}\n`
    },
    run: first.run,
  }
}
