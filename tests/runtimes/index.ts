/**
 * The package as its users get it, on every runtime: packs, installs the tarball into an empty project, and runs there the
 * same app on each. `npm run test:runtimes` runs it; `bun tests/runtimes/index.ts deno` runs it for those whose name begins so. Ends
 * with a line a runtime: `<runtime> <version>: N passed, N failed`.
 *
 * @module
 */
import { startRedisOrJs } from '../support/redis-server.ts'
import { bun } from './on/bun.ts'
import { deno } from './on/deno.ts'
import { fleet } from './on/fleet.ts'
import { functions } from './on/functions.ts'
import { nodes } from './on/node.ts'
import { contents } from './on/package.ts'
import { compilers } from './on/typescript.ts'
import { workerd } from './on/workerd.ts'
import { type Packed, withPacked } from './packed.ts'
import { startPages } from './pages.ts'
import type { Outcome, Runtime, Site } from './runtime.ts'

const [wanted = ''] = process.argv.slice(2)
const RUNTIMES = [contents, ...compilers, bun, deno, ...nodes, workerd, ...functions, fleet].filter(({ name }) =>
  name.startsWith(wanted),
)

interface Totals {
  readonly name: string
  readonly passed: number
  readonly failed: number
}

async function check(runtime: Runtime, site: Site): Promise<Totals> {
  console.log(`\n${runtime.name}`)
  const outcomes = await outcomesOf(runtime, site)
  for (const { name, error } of outcomes)
    console.log(error === undefined ? `  passed ${name}` : `  FAILED ${name}: ${error}`)
  const failed = outcomes.filter(({ error }) => error !== undefined).length
  return { name: runtime.name, passed: outcomes.length - failed, failed }
}

/** A runtime that does not even start has failed, and the others are checked all the same. */
function outcomesOf(runtime: Runtime, site: Site): Promise<readonly Outcome[]> {
  return runtime.check(site).catch((error: unknown) => [{ name: 'it runs', error: Bun.inspect(error) }])
}

async function checkAll(packed: Packed): Promise<readonly Totals[]> {
  const redis = await startRedisOrJs()
  const pages = startPages()
  const totals: Totals[] = []
  for (const runtime of RUNTIMES)
    totals.push(await check(runtime, { packed, redisUrl: redis.url, pagesUrl: pages.url }))
  await pages.stop()
  await redis.stop()
  return totals
}

const totals = await withPacked(checkAll)
console.log('')
for (const { name, passed, failed } of totals) console.log(`${name}: ${passed} passed, ${failed} failed`)
process.exitCode = totals.some(({ failed }) => failed > 0) ? 1 : 0
