import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { installed } from '../../support/runtimes.ts'
import { bundle } from '../bundle.ts'
import { runOrThrow, type Started, start } from '../command.ts'
import { expectEqual, type Outcome, outcomeOf, type Runtime, type Site } from '../runtime.ts'

const TOKEN = 'a-token-for-tests'
const CLI = [process.execPath, 'node_modules/tq-edge/dist/cli/index.js']
const NODE = installed('node22/bin/node')
/** `npx wrangler dev`, in a folder of its own and without a word to anybody. */
const WRANGLER = [NODE, installed('wrangler/bin/wrangler.js'), 'dev', '--ip', '127.0.0.1', '--port', '0']

type Bindings = Readonly<Record<string, string>>

/** Cloudflare's runtime, without Node's modules: bundles of the project, served by miniflare and by `wrangler dev`. */
export const workerd: Runtime = {
  name: `workerd ${JSON.parse(readFileSync(installed('workerd/package.json'), 'utf8')).version}`,
  check,
}

async function check({ packed, redisUrl, pagesUrl }: Site): Promise<readonly Outcome[]> {
  const project = packed.path
  await using gateway = await start([...CLI, 'gateway', '--redis', redisUrl, '--port', '0', '--json'], {
    cwd: project,
    env: { TQ_GATEWAY_TOKENS: TOKEN },
  })
  const { url } = JSON.parse(gateway.line) as { url: string }
  const redis = { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: TOKEN }
  const workElsewhere = () =>
    runOrThrow([...CLI, 'work', '--burst', '--app', 'examples/anywhere'], { cwd: project, env: redis })
  return [
    ...(await conformance(project, { ...redis, TQ_TOKENS: TOKEN, TQ_PREFIX: 'workerd', PAGES_URL: pagesUrl })),
    await outcomeOf('miniflare: a job that examples/edge-producer takes runs elsewhere', async () => {
      await using worker = await serve(project, 'edge-producer', 'examples/edge-producer/worker.ts', {
        ...redis,
        TQ_TOKENS: TOKEN,
      })
      await producesJobs(worker.line, workElsewhere)
    }),
    await outcomeOf('wrangler dev: so does one that it takes as wrangler.toml has it', async () => {
      const bindings = { ...redis, TQ_TOKENS: TOKEN }
      const lines = Object.entries(bindings).map(([name, value]) => `${name}=${value}\n`)
      await Bun.write(join(project, '.dev.vars'), lines.join(''))
      const env = { HOME: project, WRANGLER_SEND_METRICS: 'false', CI: 'true' }
      await using wrangler = await start(WRANGLER, { cwd: project, env, ready: /Ready on (\S+)/ })
      await producesJobs(wrangler.line, workElsewhere)
    }),
  ]
}

/** The cases inside of one `fetch`; then a job that `fetch` takes and `scheduled` runs. */
async function conformance(project: string, bindings: Bindings): Promise<readonly Outcome[]> {
  await using worker = await serve(project, 'conformance', 'tests/runtimes/project/worker.ts', bindings)
  const outcomes = (await (await fetch(`${worker.line}/conformance`)).json()) as Outcome[]
  const scheduled = await outcomeOf('miniflare: fetch takes a job, scheduled runs it, fetch reads its result', () =>
    producesJobs(worker.line, async () => {
      const response = await fetch(`${worker.line}/cdn-cgi/handler/scheduled`)
      expectEqual([response.status, await response.text()], [200, 'ok'])
    }),
  )
  return [...outcomes.map((outcome) => ({ ...outcome, name: `redis: ${outcome.name}` })), scheduled]
}

async function serve(project: string, name: string, entry: string, bindings: Bindings): Promise<Started> {
  await bundle(project, name, `export { default } from './${entry}'`)
  const host = [NODE, join(import.meta.dir, '..', 'miniflare.ts'), installed('miniflare/dist/src/index.js')]
  return start([...host, join(project, `${name}.js`), JSON.stringify(bindings)], { cwd: project })
}

/** A job is taken on the edge, run by `work`, and its result read on the edge. */
async function producesJobs(url: string, work: () => Promise<unknown>): Promise<void> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const body = '{"task":"fingerprint","input":{"text":"abc"}}'
  const accepted = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body })
  expectEqual(accepted.status, 202)
  await work()
  const result = await fetch(`${url}${accepted.headers.get('location')}/result`, { headers })
  expectEqual(((await result.json()) as { state: unknown }).state, 'succeeded')
}
