import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { Glob } from 'bun'
import type { Command } from '../../cli/command.ts'

const ROOT = join(import.meta.dir, '../..')
const guide = await Bun.file(join(ROOT, 'docs/cli.md')).text()
const files = ['cli/commands/*.ts', 'cli/commands/*/index.ts'].flatMap((glob) => [...new Glob(glob).scanSync(ROOT)])
const modules = await Promise.all(files.map((file) => import(join(ROOT, file)) as Promise<{ default: Command }>))
const commands = modules.map((each) => each.default)

/** What a command says for itself, without a `--docs` that stands for `--no-docs`. */
const flagsOf = (usage: string) => {
  const flags = [...Bun.stripANSI(usage).matchAll(/^\s+(--[a-z-]+)/gm)].map(([, flag = '']) => flag)
  return flags.filter((flag) => !flags.includes(flag.replace('--', '--no-')))
}
const parts = guide.split(/^## /m).slice(1)
const shared = parts.find((part) => part.startsWith('What commands share')) ?? ''

test.each(commands.map((command) => [command.name, command] as const))(
  'the guide has a part on tq %s, with each of its flags',
  async (name, command) => {
    const part = parts.find((text) => new RegExp(`^.*\\btq ${name}\\b`).test(text)) ?? ''
    expect([name, guide.includes(`| \`tq ${name}`)]).toEqual([name, true])
    for (const each of command.commands ?? [command]) {
      const flags = flagsOf(await each.usage('tq'))
      expect(flags).toEqual(expect.arrayContaining(['--json', '--debug']))
      const missing = flags.filter((flag) => flag !== '--n' && !`${part}${shared}`.includes(flag))
      expect([name, each.name, missing]).toEqual([name, each.name, []])
    }
  },
)
