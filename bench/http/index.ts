import { otherRuntimes } from '../../tests/support/runtimes.ts'
import { median, rounded } from '../stats.ts'
import { atLeast, atMost, type Target, told } from '../targets.ts'
import { measureWatchers } from './idle.ts'
import { createLoad, type Load } from './load.ts'
import { INPUT, PATH, SERVER, type Shared, type Side } from './names.ts'
import { startServer } from './process.ts'

export interface BenchHttpOptions {
  readonly json: boolean
  readonly quick: boolean
  readonly toTable: (targets: readonly Target[]) => string
  readonly tell: (step: string) => void
}

interface Size {
  readonly rounds: number
  readonly seconds: number
  readonly watchers: number
  readonly watchedMs: number
}

const FULL: Size = { rounds: 5, seconds: 5, watchers: 10_000, watchedMs: 30_000 }
const QUICK: Size = { rounds: 3, seconds: 1, watchers: 10_000, watchedMs: 6_000 }

/** Measures the API beside a bare route, each server on one core and the load on the other; answers what is to be printed. */
export async function benchHttp({ json, quick, toTable, tell }: BenchHttpOptions): Promise<string> {
  const size = quick ? QUICK : FULL
  const load = createLoad({ path: PATH, body: JSON.stringify(INPUT) })
  const bun = [process.execPath]
  const node = otherRuntimes().findLast(({ name }) => name.startsWith('node'))
  tell('requests on Bun')
  const onBun = await measureSides(bun, ['api', 'bare', 'text'], size, load)
  tell(`${size.watchers} clients that watch, on Bun`)
  const watchedOnBun = await measureWatchers(bun, size.watchers, size.watchedMs)
  const targets = [
    atLeast('POST /v1/tasks/{task} over a bare route', onBun.over('bare'), 'times', 0.6),
    told('the same over one that compares texts', onBun.over('text'), 'times'),
    told('POST /v1/tasks/{task}', onBun.perS('api'), 'requests/s'),
    told('the bare route', onBun.perS('bare'), 'requests/s'),
    told('the one that compares texts', onBun.perS('text'), 'requests/s'),
    atLeast('jobs in a call of the broker', onBun.jobsPerCall, 'jobs', 2),
    atMost(`${size.watchers.toLocaleString('en')} idle SSE clients`, watchedOnBun, 'MB', 300),
    ...(node ? await onNode(node, size, load, tell) : []),
  ]
  return json ? JSON.stringify({ targets }) : `\n${toTable(targets)}`
}

async function onNode(
  { name, command }: { readonly name: string; readonly command: readonly string[] },
  size: Size,
  load: Load,
  tell: BenchHttpOptions['tell'],
): Promise<readonly Target[]> {
  tell(`the same on ${name}`)
  const measured = await measureSides(command, ['api', 'bare'], size, load)
  const watched = await measureWatchers(command, size.watchers, size.watchedMs)
  return [
    told(`${name}: POST over a bare route`, measured.over('bare'), 'times'),
    told(`${name}: POST /v1/tasks/{task}`, measured.perS('api'), 'requests/s'),
    atMost(`${name}: idle SSE clients`, watched, 'MB', 500),
  ]
}

interface Measured {
  perS(side: Side): number
  /** Of the API, in those of the other side in the same round: the median. */
  over(side: Side): number
  readonly jobsPerCall: number
}

/** The sides take turns, each server idle while another one is asked. */
async function measureSides(
  runtime: readonly string[],
  sides: readonly Side[],
  { rounds, seconds }: Size,
  load: Load,
): Promise<Measured> {
  const servers = await Promise.all(sides.map((side) => startServer({ runtime, file: SERVER, args: [side] })))
  for (const { url } of servers) await load.requestsPerS(url, 1)
  const found: number[][] = sides.map(() => [])
  for (let round = 0; round < rounds; round++)
    for (const [at, { url }] of servers.entries()) found[at]?.push(await load.requestsPerS(url, seconds))
  const told = await Promise.all(servers.map((server) => server.stop()))
  const of = (side: Side) => found[sides.indexOf(side)] ?? []
  const { jobs, calls } = JSON.parse(told[sides.indexOf('api')] ?? '') as Shared
  return {
    perS: (side) => rounded(median(of(side))),
    over: (side) => rounded(median(of('api').map((perS, round) => perS / (of(side)[round] ?? Number.NaN)))),
    jobsPerCall: rounded(jobs / calls),
  }
}
