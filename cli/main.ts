import { toError } from '../src/errors.ts'
import type { Command } from './command.ts'
import { UsageError } from './errors.ts'
import { exitCodeOf, MISUSED, OK } from './exit.ts'
import { didYouMean } from './flags.ts'
import { printHelp, printOverview } from './help.ts'
import { ownPackage } from './package.ts'
import { printError, printLine } from './print.ts'

/** From each command's name to what loads it. */
export type Commands = Readonly<Record<string, () => Promise<{ readonly default: Command }>>>

/** Runs `tq` with these arguments and resolves with the exit code. */
export async function main(rawArgs: readonly string[], commands: Commands): Promise<number> {
  try {
    return await dispatch(rawArgs, commands)
  } catch (thrown) {
    const error = asUsageError(toError(thrown))
    printError(error, rawArgs.includes('--debug') || Boolean(process.env.TQ_DEBUG))
    return exitCodeOf(error)
  }
}

async function dispatch(rawArgs: readonly string[], commands: Commands): Promise<number> {
  const [name, ...rest] = rawArgs
  if (name === undefined || isHelp(name) || name === 'help')
    return overview(commands, name === undefined ? MISUSED : OK)
  if (name === '--version' || name === '-v') return version()
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!load) throw unknown(name, Object.keys(commands))
  const { default: command } = await load()
  return command.commands ? dispatchGroup(command, command.commands, rest) : runOrHelp(command, 'tq', rest)
}

async function dispatchGroup(parent: Command, commands: readonly Command[], rest: readonly string[]): Promise<number> {
  const [name, ...args] = rest
  if (name === undefined || name.startsWith('-')) return runOrHelp(parent, 'tq', rest)
  const chosen = commands.find((each) => each.name === name)
  if (chosen) return runOrHelp(chosen, `tq ${parent.name}`, args)
  throw unknown(
    name,
    commands.map((each) => each.name),
    `tq ${parent.name}`,
  )
}

async function runOrHelp(command: Command, parent: string, rawArgs: readonly string[]): Promise<number> {
  const ownArgs = rawArgs.includes('--') ? rawArgs.slice(0, rawArgs.indexOf('--')) : rawArgs
  if (!ownArgs.some(isHelp)) return command.run(rawArgs)
  await printHelp(command, parent)
  return OK
}

function isHelp(arg: string): boolean {
  return arg === '--help' || arg === '-h'
}

async function overview(commands: Commands, exitCode: number): Promise<number> {
  const loaded = await Promise.all(Object.values(commands).map((load) => load()))
  printOverview(loaded.map((module) => module.default))
  return exitCode
}

function unknown(name: string, known: readonly string[], parent = 'tq'): UsageError {
  return new UsageError(`expected a command, got "${name}"${didYouMean(name, known, `${parent} `)}`)
}

/** citty's own errors name what is missing, but are of a class that it does not export. */
function asUsageError(error: Error): Error {
  return error.name === 'CLIError' ? new UsageError(error.message, { cause: error }) : error
}

function version(): number {
  printLine(ownPackage().version)
  return OK
}
