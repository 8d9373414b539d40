import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { redisBroker } from '../../adapters/brokers/redis/index.ts'
import { createClient } from '../../src/index.ts'
import { runOrThrow, start } from '../../tests/runtimes/command.ts'
import { installed, otherRuntimes } from '../../tests/support/runtimes.ts'
import { startDriver } from '../redis/process.ts'
import { type Servers, startServers } from '../redis/servers.ts'
import { median, quantile, rounded } from '../stats.ts'
import { atLeast, atMost, type Target, told } from '../targets.ts'
import { startCounter } from './counter.ts'

export interface BenchEdgeOptions {
  readonly json: boolean
  readonly quick: boolean
  readonly toTable: (targets: readonly Target[]) => string
  readonly tell: (step: string) => void
}

const NODE = installed('node22/bin/node')
const MINIFLARE = installed('miniflare/dist/src/index.js')
const HOST = join(import.meta.dir, '../../tests/runtimes/miniflare.ts')
const CALLER = 'a-token-of-a-caller'
const HEADERS = { authorization: `Bearer ${CALLER}`, 'content-type': 'application/json' }
const DRAINED = 1_000

/** Measures edge apps in Cloudflare's runtime, and workers on each runtime beside one on Bun; answers what is to be printed. */
export async function benchEdge({ json, quick, toTable, tell }: BenchEdgeOptions): Promise<string> {
  const servers = await startServers(0)
  const folder = mkdtempSync(join(tmpdir(), 'tq-bench-'))
  try {
    const bundles = await Promise.all(['worker', 'empty'].map((name) => bundle(name, folder)))
    tell('from POST to the handler')
    const kickMs = await measureKick(servers, bundles[0] ?? '', quick ? 40 : 200)
    tell('a drain of 1,000 jobs')
    const subrequests = await measureDrain(servers, bundles[0] ?? '')
    tell('cold starts')
    const [ours = Number.NaN, empty = Number.NaN] = await measureCold(bundles, quick ? 5 : 20)
    tell('workers on each runtime')
    const ratios = await measureRuntimes(servers, quick ? 2 : 5)
    const targets = [
      atMost('POST to the handler in workerd, p50', rounded(median(kickMs)), 'ms', 15),
      told('the same, p99', rounded(quantile(kickMs, 0.99)), 'ms'),
      atMost('requests of a drain of 1,000 jobs', subrequests, '', 50),
      atMost('cold first answer over an empty Worker', rounded(ours - empty), 'ms', 50),
      told('the same of an empty Worker', rounded(empty), 'ms'),
      ...ratios.map(({ name, ratio }) => atLeast(`worker on ${name} against Bun`, ratio, 'times', 0.6)),
    ]
    return json ? JSON.stringify({ targets }) : `\n${toTable(targets)}`
  } finally {
    rmSync(folder, { recursive: true })
    await servers.stop()
  }
}

/** As it is deployed: minified, without Node's modules. */
async function bundle(name: string, folder: string): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [join(import.meta.dir, `${name}.ts`)],
    minify: true,
    target: 'browser',
    conditions: ['workerd', 'worker', 'browser'],
  })
  const path = join(folder, `${name}.js`)
  await Bun.write(path, await (outputs[0] as Blob).text())
  return path
}

async function startWorker(script: string, url: string, token: string) {
  const bindings = { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token, TQ_TOKENS: CALLER }
  return start([NODE, HOST, MINIFLARE, script, JSON.stringify(bindings)], { cwd: dirname(script) })
}

/** From just before the POST to the start of the handler, in the same invocation after its answer. */
async function measureKick({ gatewayUrl, token }: Servers, script: string, samples: number): Promise<number[]> {
  await using worker = await startWorker(script, gatewayUrl, token)
  const latenciesMs: number[] = []
  for (let sample = -5; sample < samples; sample++) {
    const sentMs = Date.now()
    const accepted = await fetch(`${worker.line}/v1/tasks/stamp`, { method: 'POST', headers: HEADERS, body: 'null' })
    const { id } = (await accepted.json()) as { id: string }
    const answer = await fetch(`${worker.line}/v1/jobs/${id}/result?wait=10`, { headers: HEADERS })
    const { result } = (await answer.json()) as { result: number }
    if (sample >= 0) latenciesMs.push(result - sentMs)
    await Bun.sleep(20)
  }
  return latenciesMs
}

async function measureDrain({ gatewayUrl, token }: Servers, script: string): Promise<number> {
  const counter = startCounter(gatewayUrl)
  const broker = redisBroker({ url: gatewayUrl, token, subscribe: false })
  const client = createClient({ broker })
  await client.enqueueMany(Array.from({ length: DRAINED }, () => ({ task: 'noop', input: null })))
  const worker = await startWorker(script, counter.url, token)
  const response = await fetch(`${worker.line}/cdn-cgi/handler/scheduled`)
  const { requests } = counter
  const [queue] = (await broker.stats()).queues
  await worker.stop()
  await counter.stop()
  await broker.close()
  if (!response.ok || queue?.counts.queued)
    throw new Error(`expected all jobs to run, got ${queue?.counts.queued} left`)
  return requests
}

async function measureCold(bundles: readonly string[], samples: number): Promise<readonly number[]> {
  const bindings = { UPSTASH_REDIS_REST_URL: 'http://127.0.0.1:9', UPSTASH_REDIS_REST_TOKEN: 'x', TQ_TOKENS: CALLER }
  const command = [NODE, join(import.meta.dir, 'cold.ts'), MINIFLARE, String(samples), JSON.stringify(bindings)]
  return JSON.parse(await runOrThrow([...command, ...bundles], { cwd: dirname(bundles[0] ?? '') })) as number[]
}

/** Jobs a second of one worker at concurrency 100, in units of a worker on Bun; medians of rounds that take turns. */
async function measureRuntimes(servers: Servers, rounds: number) {
  const newest = ['node', 'deno'].flatMap((kind) =>
    otherRuntimes()
      .filter(({ name }) => name.startsWith(kind))
      .slice(-1),
  )
  const sides = [{ name: 'bun', command: [process.execPath] }, ...newest]
  const args = [servers.gatewayUrl, servers.token]
  const drivers = await Promise.all(sides.map(({ command }) => startDriver({ command, file: './tq.ts', args })))
  const found: number[][] = sides.map(() => [])
  for (let round = 0; round < rounds; round++)
    for (const [at, driver] of drivers.entries()) {
      await servers.empty()
      await driver.call('batched', 20_000)
      found[at]?.push(20_000 / (await driver.call('process', 20_000, 100)))
    }
  for (const driver of drivers) await driver.close()
  const [bun = Number.NaN, ...others] = found.map(median)
  return others.map((rate, at) => ({ name: newest[at]?.name ?? '', ratio: rounded(rate / bun) }))
}
