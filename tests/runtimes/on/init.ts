/** Projects of `tq init` as their users make them: written, installed with the tarball, run as their files say. */
import { dirname, join } from 'node:path'
import { runOrThrow, start } from '../command.ts'
import { type Packed, ROOT } from '../packed.ts'
import { expectEqual, type Outcome, outcomeOf } from '../runtime.ts'
import { GREET, TOKEN, takesJobs } from './edge.ts'

type Variables = Readonly<Record<string, string>>

export interface InitOptions {
  readonly packed: Packed
  /** What runs the CLI of the package in the current folder. */
  readonly cli: readonly string[]
  readonly runtime: string
  readonly broker: string
  /** What its `.env` is to say. */
  readonly variables: Variables
  /** Of its folder, beside the project that the package is installed in. */
  readonly name: string
  readonly env?: Variables | undefined
}

/** Writes and installs a project; resolves with its path. */
export async function initProject(options: InitOptions): Promise<string> {
  const { packed, cli, runtime, broker, variables, name, env = {} } = options
  const path = join(dirname(packed.path), name)
  await runOrThrow([...cli, 'init', path, '--runtime', runtime, '--broker', broker], { cwd: packed.path, env })
  const settings = await Bun.file(join(path, 'package.json')).json()
  expectEqual(settings.dependencies['tq-edge'], packed.version)
  settings.dependencies['tq-edge'] = `file:${packed.tarball}`
  await Bun.write(join(path, 'package.json'), JSON.stringify(settings))
  // By npm everywhere: neither Bun nor Deno takes a tarball's path without asking a registry.
  const flags = ['--omit=dev', '--no-audit', '--no-fund', '--prefer-offline']
  await runOrThrow(['npm', 'install', ...flags], { cwd: path })
  await Bun.write(join(path, '.env'), await filledIn(path, variables))
  return path
}

/** `.env.example` with these values. It has to name every one of them, save the prefix that keeps tests apart. */
async function filledIn(path: string, variables: Variables): Promise<string> {
  const example = await Bun.file(join(path, '.env.example')).text()
  const named = [...example.matchAll(/^(\w+)=/gm)].map(([, name = '']) => name)
  expectEqual([...named, 'TQ_PREFIX'].sort(), Object.keys({ ...variables, TQ_PREFIX: '' }).sort())
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

/** By the compiler's settings that were written. */
export async function typesHold(path: string): Promise<void> {
  await runOrThrow(['node', join(ROOT, 'node_modules/typescript/lib/tsc.js'), '-p', '.'], { cwd: path })
}

export interface InitCases {
  readonly packed: Packed
  readonly id: string
  readonly runtime: string
  readonly cli: readonly string[]
  readonly env: Variables | undefined
  /** Where a Redis is. */
  readonly redis: Variables
  readonly hasSqlite: boolean
}

/** A project for each broker. */
export async function initCases({ packed, id, runtime, cli, env, redis, hasSqlite }: InitCases): Promise<Outcome[]> {
  const TQ_PREFIX = `${id}-init`
  const given = { packed, runtime, cli, env }
  const onRedis = { ...given, broker: 'redis', variables: { ...redis, TQ_PREFIX, TQ_TOKENS: TOKEN } }
  const onSqlite = { ...given, broker: 'sqlite', variables: { TQ_TOKENS: TOKEN } }
  const outcomes: Outcome[] = []
  for (const options of hasSqlite ? [onRedis, onSqlite] : [onRedis])
    outcomes.push(...(await casesOn({ ...options, name: `${id}-${options.broker}` })))
  return outcomes
}

async function casesOn(options: InitOptions): Promise<readonly Outcome[]> {
  const { broker, runtime, env = {} } = options
  let path = ''
  const textOf = (file: string) => Bun.file(join(path, file)).text()
  return [
    await outcomeOf(`init ${broker}: a project is written, and installs`, async () => {
      path = await initProject(options)
    }),
    await outcomeOf(`init ${broker}: its types hold`, async () => {
      if (runtime === 'deno') await runOrThrow(['deno', 'task', 'check'], { cwd: path, env })
      else await typesHold(path)
    }),
    await outcomeOf(`init ${broker}: under supervisord it takes jobs, runs them, and ends when asked to`, async () => {
      const commands = await textOf('deploy/supervisord.conf')
      const [serve = '', work = ''] = [...commands.matchAll(/^command=sh -c "(.*)"$/gm)].map(
        ([, command = '']) => command,
      )
      const on = (command: string, ready: RegExp) => start(['sh', '-c', command], { cwd: path, env, ready })
      await using server = await on(`${serve} --port 0`, /listening on (\S+)/)
      await using worker = await on(work, /(.*)\n/)
      await takesJobs(server.line, undefined, GREET)
      expectEqual([await worker.stop(), await server.stop()], [0, 0])
    }),
    await outcomeOf(`init ${broker}: systemd and a container start the same`, async () => {
      const [, unit = ''] = /^ExecStart=(.*) %i$/m.exec(await textOf('deploy/tq@.service')) ?? []
      const [, entry = '[]'] = /^ENTRYPOINT (.*)$/m.exec(await textOf('Dockerfile')) ?? []
      const variables = { ...env, ...options.variables }
      const inFolder = unit.replaceAll(/\/srv\/[^/]+/g, path).split(' ')
      await runOrThrow([...inFolder, 'work', '--burst'], { cwd: path, env: variables })
      await runOrThrow([...(JSON.parse(entry) as string[]), 'work', '--burst'], { cwd: path, env: variables })
    }),
    ...(runtime === 'deno' && broker === 'redis' ? [await denoEntry(path, env)] : []),
  ]
}

function denoEntry(path: string, env: Variables): Promise<Outcome> {
  return outcomeOf('init redis: main.ts takes a job and runs it right after the answer', async () => {
    const { tasks } = (await Bun.file(join(path, 'deno.json')).json()) as { tasks: { start: string } }
    const options = { cwd: path, env: { ...env, PORT: '0' }, ready: /listening on (\S+)/ }
    await using server = await start(tasks.start.split(' '), options)
    await takesJobs(server.line, undefined, GREET)
  })
}
