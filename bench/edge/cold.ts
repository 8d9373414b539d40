/**
 * How long Workers take from nothing to their first answer, taking turns: `cold.ts <miniflare> <samples> <bindings as JSON> <bundle>...`
 * on Node. Prints the medians as JSON, in milliseconds.
 *
 * @module
 */
import process from 'node:process'
import { median } from '../stats.ts'

interface Server {
  dispatchFetch(url: string): Promise<{ readonly status: number; text(): Promise<string> }>
  dispose(): Promise<void>
}

const [miniflare = '', samples = '', bindings = '{}', ...bundles] = process.argv.slice(2)
const { Miniflare } = (await import(miniflare)) as { readonly Miniflare: new (options: object) => Server }

async function firstAnswerMs(scriptPath: string): Promise<number> {
  // Named, or miniflare would parse it to look for others, which takes longer than all of workerd.
  const modules = [{ type: 'ESModule', path: scriptPath }]
  const options = { modules, compatibilityDate: '2026-04-01', bindings: JSON.parse(bindings) }
  const startedMs = performance.now()
  const server = new Miniflare(options)
  const answer = await server.dispatchFetch('http://edge.test/healthz')
  await answer.text()
  const tookMs = performance.now() - startedMs
  await server.dispose()
  if (answer.status !== 200) throw new Error(`expected an answer of ${scriptPath}, got ${answer.status}`)
  return tookMs
}

const found: number[][] = bundles.map(() => [])
// The first of each warms the disk up.
for (let sample = -1; sample < Number(samples); sample++)
  for (const [at, bundle] of bundles.entries()) {
    const tookMs = await firstAnswerMs(bundle)
    if (sample >= 0) found[at]?.push(tookMs)
  }
process.stdout.write(JSON.stringify(found.map(median)))
process.exit()
