import { stripVTControlCharacters } from 'node:util'
import type { Command } from './command.ts'
import { printLine } from './print.ts'

/** The help of one command: what it takes, and examples to paste. */
export async function printHelp(command: Command, parent = 'tq'): Promise<void> {
  const examples = command.examples.map((example) => `  ${example}`).join('\n')
  printText(`${await command.usage(parent)}\nEXAMPLES\n\n${examples}`)
}

/** The help of `tq` itself. */
export function printOverview(commands: readonly Command[]): void {
  const width = Math.max(...commands.map(({ name }) => name.length))
  const lines = commands.map(({ name, description }) => `  ${name.padEnd(width)}  ${description}`)
  printText(`tq: jobs and schedules, from the command line

USAGE  tq <command> [options]

COMMANDS

${lines.join('\n')}

EXAMPLES

  tq dev                                   everything in one process, for the app in this folder
  tq enqueue greet '{"name":"Ada"}' --wait 10
  tq <command> --help                      what a command takes, with examples

Exit codes: 0 done, 1 the job or the operation failed, 2 the command line or the app is wrong.`)
}

function printText(text: string): void {
  const tidy = text.replace(/[ ]+$/gm, '')
  printLine(process.stdout.isTTY ? tidy : stripVTControlCharacters(tidy).replace(/[ ]+$/gm, ''))
}
