import { run, start } from '../command.ts'
import { CLI } from '../packed.ts'
import { expectEqual, type Outcome, outcomeOf, type Runtime, type Site } from '../runtime.ts'
import { KICK_SECRET, kick, TOKEN, takesJobs } from './edge.ts'
import { initCases } from './init.ts'

export interface ProcessRuntime {
  /** As in `node 24.21.0`. */
  readonly name: string
  /** What starts a file. */
  readonly command: readonly string[]
  /** What starts a TypeScript file, where that takes more. */
  readonly loader?: readonly string[]
  /** What serves the app by the entry for this runtime. */
  readonly serve: readonly string[]
  /** What `tq init` calls it. */
  readonly runtime: string
  /** What a user types to run the CLI of the package in the current folder. */
  readonly cli: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly hasSqlite: boolean
}

const MAIN = 'tests/runtimes/project/main.ts'
const APP = ['--app', 'examples/anywhere']

/** A runtime that is started as a process: the gateway, the cases on both brokers, and the CLI by the package's name. */
export function onProcess({
  name,
  command,
  loader = [],
  serve,
  runtime,
  cli,
  env,
  hasSqlite,
}: ProcessRuntime): Runtime {
  const id = name.replace(/\W/g, '-')

  async function check({ packed, redisUrl, pagesUrl }: Site): Promise<readonly Outcome[]> {
    const runHere = (program: readonly string[], more: Readonly<Record<string, string>> = {}) =>
      run(program, { cwd: packed.path, env: { ...env, PAGES_URL: pagesUrl, ...more } })
    // By its path: npx passes no signal on.
    await using gateway = await start([...command, CLI, 'gateway', '--redis', redisUrl, '--port', '0', '--json'], {
      cwd: packed.path,
      env: { ...env, TQ_GATEWAY_TOKENS: TOKEN },
    })
    const { url } = JSON.parse(gateway.line) as { url: string }
    const redis = { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: TOKEN, TQ_PREFIX: `${id}-cli` }

    async function conformance(broker: 'redis' | 'sqlite'): Promise<Outcome[]> {
      const { stdout, stderr, exitCode } = await runHere([...command, ...loader, MAIN, broker, id], redis)
      if (stderr !== '' || exitCode !== 0) return [{ name: broker, error: `exit code ${exitCode}: ${stderr}` }]
      return (JSON.parse(stdout) as Outcome[]).map((outcome) => ({ ...outcome, name: `${broker}: ${outcome.name}` }))
    }

    const refusesSqlite = () =>
      outcomeOf('sqlite: what is missing is said', async () => {
        const { stderr, exitCode } = await runHere([...command, ...loader, MAIN, 'sqlite', id])
        expectEqual([exitCode, stderr.includes('expected a runtime with SQLite built in')], [1, true])
      })

    async function tq(...args: readonly string[]): Promise<string> {
      const { stdout, stderr, exitCode } = await runHere([...cli, ...args], redis)
      if (stderr !== '' || exitCode !== 0) throw new Error(`tq ${args[0]}: exit code ${exitCode}: ${stderr}`)
      return stdout.trim()
    }

    return [
      ...(await conformance('redis')),
      ...(hasSqlite ? await conformance('sqlite') : [await refusesSqlite()]),
      await outcomeOf(
        'serve: a job that is taken runs right after the answer, and a signed kick is taken',
        async () => {
          const own = { TQ_PREFIX: `${id}-serve`, TQ_TOKENS: TOKEN, TQ_KICK_SECRET: KICK_SECRET, PORT: '0' }
          const variables = { ...env, ...redis, ...own }
          await using server = await start(serve, { cwd: packed.path, env: variables, ready: /listening on (\S+)/ })
          await takesJobs(server.line)
          await kick(server.line)
        },
      ),
      await outcomeOf(`cli: it is the version that was packed`, async () =>
        expectEqual(await tq('--version'), packed.version),
      ),
      await outcomeOf('cli: a job is enqueued, run, and its result printed', async () => {
        const jobId = await tq('enqueue', 'fingerprint', '{"text":"abc"}', ...APP)
        await tq('work', '--burst', ...APP)
        expectEqual(JSON.parse(await tq('result', jobId)).slice(0, 8), 'ba7816bf')
      }),
      ...(await initCases({ packed, id, runtime, cli, env, redis, hasSqlite })),
      await outcomeOf('cli: the gateway ends when asked to', async () => expectEqual(await gateway.stop(), 0)),
    ]
  }

  return { name, check }
}
