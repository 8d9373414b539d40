import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { redisBroker } from '../../../adapters/brokers/redis/index.ts'
import { installed } from '../../support/runtimes.ts'
import { bundle } from '../bundle.ts'
import { runOrThrow, type Started, start } from '../command.ts'
import { CLI, type Packed } from '../packed.ts'
import { expectEqual, type Outcome, outcomeOf, type Runtime, type Site } from '../runtime.ts'
import { GREET, KICK_SECRET, kick, TOKEN, takesJobs } from './edge.ts'
import { initProject, typesHold } from './init.ts'

const NODE = installed('node22/bin/node')
/** `npx wrangler dev`, in a folder of its own and without a word to anybody. */
const WRANGLER = [
  NODE,
  installed('wrangler/bin/wrangler.js'),
  'dev',
  '--test-scheduled',
  '--ip',
  '127.0.0.1',
  '--port',
  '0',
]

type Bindings = Readonly<Record<string, string>>

/** Cloudflare's runtime, without Node's modules: bundles of the project, served by miniflare and by `wrangler dev`. */
export const workerd: Runtime = {
  name: `workerd ${JSON.parse(readFileSync(installed('workerd/package.json'), 'utf8')).version}`,
  check,
}

async function check({ packed, redisUrl, pagesUrl }: Site): Promise<readonly Outcome[]> {
  const project = packed.path
  await using gateway = await start([process.execPath, CLI, 'gateway', '--redis', redisUrl, '--port', '0', '--json'], {
    cwd: project,
    env: { TQ_GATEWAY_TOKENS: TOKEN },
  })
  const { url } = JSON.parse(gateway.line) as { url: string }
  const redis = { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: TOKEN }
  const own = { TQ_TOKENS: TOKEN, TQ_KICK_SECRET: KICK_SECRET, TQ_PREFIX: 'workerd', PAGES_URL: pagesUrl }
  const workElsewhere = () =>
    runOrThrow([process.execPath, CLI, 'work', '--burst', '--app', 'examples/anywhere'], { cwd: project, env: redis })
  return [
    ...(await conformance(project, { ...redis, ...own })),
    await outcomeOf('miniflare: a job that the edge takes alone runs elsewhere', async () => {
      const bindings = { ...redis, TQ_TOKENS: TOKEN }
      await using worker = await serve(project, 'edge-producer', 'examples/edge-producer/worker.ts', bindings)
      await takesJobs(worker.line, workElsewhere)
    }),
    ...(await edge(project, redis)),
    ...(await initCases(packed, { ...redis, TQ_PREFIX: 'init', TQ_TOKENS: TOKEN })),
  ]
}

/** The cases inside of one `fetch`; then a job that `fetch` takes and `scheduled` runs. */
async function conformance(project: string, bindings: Bindings): Promise<readonly Outcome[]> {
  await using worker = await serve(project, 'conformance', 'tests/runtimes/project/worker.ts', bindings)
  const outcomes = (await (await fetch(`${worker.line}/conformance`)).json()) as Outcome[]
  const scheduled = await outcomeOf('miniflare: fetch takes a job, scheduled runs it, fetch reads its result', () =>
    takesJobs(worker.line, async () => {
      const response = await fetch(`${worker.line}/cdn-cgi/handler/scheduled`)
      expectEqual([response.status, await response.text()], [200, 'ok'])
    }),
  )
  const kicked = await outcomeOf('miniflare: fetch takes a job, a signed kick runs it', () =>
    takesJobs(worker.line, () => kick(worker.line)),
  )
  return [...outcomes.map((outcome) => ({ ...outcome, name: `redis: ${outcome.name}` })), scheduled, kicked]
}

/** The app as `wrangler.toml` deploys it: producer, beat and drain in one Worker. */
async function edge(project: string, redis: Bindings): Promise<readonly Outcome[]> {
  const bindings = { ...redis, TQ_PREFIX: 'edge', TQ_TOKENS: TOKEN }
  const lines = Object.entries({ ...bindings, TQ_PREFIX: 'wrangler' }).map(([name, value]) => `${name}=${value}\n`)
  await Bun.write(join(project, '.dev.vars'), lines.join(''))
  const env = { HOME: project, WRANGLER_SEND_METRICS: 'false', CI: 'true' }
  return [
    await outcomeOf('miniflare: jobs that are taken at once run right after the answers', async () => {
      await using worker = await serve(project, 'edge', 'examples/edge/cloudflare.ts', bindings)
      await Promise.all(Array.from({ length: 10 }, () => takesJobs(worker.line)))
    }),
    await outcomeOf('miniflare: a setting that is missing is named', async () => {
      await using worker = await serve(project, 'unset', 'examples/edge/cloudflare.ts', { ...bindings, TQ_TOKENS: '' })
      const answer = await fetch(`${worker.line}/v1/jobs/x`)
      expectEqual([answer.status, (await answer.text()).includes('expected TQ_TOKENS to be')], [500, true])
    }),
    await outcomeOf(
      'wrangler dev: the Worker of wrangler.toml takes jobs, and one cron trigger runs a schedule of each second for its minute',
      async () => {
        await using wrangler = await start(WRANGLER, { cwd: project, env, ready: /Ready on (\S+)/ })
        await takesJobs(wrangler.line)
        const triggered = await fetch(`${wrangler.line}/__scheduled?cron=*+*+*+*+*`)
        expectEqual([triggered.status, await triggered.text()], [200, 'Ran scheduled event'])
        const ran = await dueTimesRun({ ...redis, TQ_PREFIX: 'wrangler' })
        expectEqual([new Set(ran).size === ran.length, ran.length >= LEAST_RUN], [true, true])
      },
    ),
  ]
}

/** Of the 50 seconds for which the drain after a trigger stays; a machine may be busy. */
const LEAST_RUN = 30

/** The due times that have become jobs and been run. */
async function dueTimesRun({ UPSTASH_REDIS_REST_URL: url = '', TQ_PREFIX: prefix = '' }: Bindings): Promise<number[]> {
  const broker = redisBroker({ url, token: TOKEN, prefix, subscribe: false })
  const { jobs } = await broker.list({ states: ['succeeded'], limit: 1_000 })
  await broker.close()
  return jobs.flatMap(({ tick }) => (tick ? [tick.dueAtMs] : []))
}

/** What `tq init` writes for Cloudflare, under the names and with the settings that it writes. */
async function initCases(packed: Packed, variables: Bindings): Promise<readonly Outcome[]> {
  let path = ''
  return [
    await outcomeOf('init: a project is written, and installs', async () => {
      path = await initProject({
        packed,
        cli: [process.execPath, CLI],
        runtime: 'cloudflare',
        broker: 'redis',
        variables,
        name: 'init-worker',
      })
    }),
    await outcomeOf('init: its types hold', () => typesHold(path)),
    await outcomeOf('init: miniflare: a job that is taken runs right after the answer', async () => {
      await using worker = await serve(path, 'init', 'worker.ts', variables)
      await takesJobs(worker.line, undefined, GREET)
    }),
    await outcomeOf(
      'init: wrangler dev: the Worker takes jobs, with what .env says, and its cron trigger runs',
      async () => {
        const env = { HOME: path, WRANGLER_SEND_METRICS: 'false', CI: 'true' }
        await using wrangler = await start(WRANGLER, { cwd: path, env, ready: /Ready on (\S+)/ })
        await takesJobs(wrangler.line, undefined, GREET)
        const triggered = await fetch(`${wrangler.line}/__scheduled?cron=*+*+*+*+*`)
        expectEqual([triggered.status, await triggered.text()], [200, 'Ran scheduled event'])
      },
    ),
  ]
}

/** Bundles a module of the project, and serves it by miniflare. */
export async function serve(project: string, name: string, entry: string, bindings: Bindings): Promise<Started> {
  await bundle(project, name, `export { default } from './${entry}'`)
  const host = [NODE, join(import.meta.dir, '..', 'miniflare.ts'), installed('miniflare/dist/src/index.js')]
  return start([...host, join(project, `${name}.js`), JSON.stringify(bindings)], { cwd: project })
}
