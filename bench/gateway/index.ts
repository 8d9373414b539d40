import { mostWhileWatched } from '../http/idle.ts'
import { createLoad, type Load } from '../http/load.ts'
import { type ServerProcess, startServer } from '../http/process.ts'
import { median, rounded } from '../stats.ts'
import { atLeast, atMost, type Target, told } from '../targets.ts'
import { measureLatency } from './latency.ts'
import { COLLECT, LIBRARY, PIPELINE, SERVER, SET, type Side } from './names.ts'
import { startRedisOnLoadCore } from './redis.ts'

export interface BenchGatewayOptions {
  readonly json: boolean
  readonly quick: boolean
  readonly toTable: (targets: readonly Target[]) => string
  readonly tell: (step: string) => void
}

interface Size {
  readonly rounds: number
  readonly seconds: number
  readonly samples: number
  readonly subscribers: number
  readonly subscribedMs: number
  readonly warmUp: number
  readonly requests: number
}

const FULL: Size = {
  rounds: 5,
  seconds: 5,
  samples: 10_000,
  subscribers: 10_000,
  subscribedMs: 30_000,
  warmUp: 100_000,
  requests: 1_000_000,
}
const QUICK: Size = {
  rounds: 3,
  seconds: 1,
  samples: 2_000,
  subscribers: 10_000,
  subscribedMs: 6_000,
  warmUp: 50_000,
  requests: 100_000,
}

/** Measures `tq gateway` on Bun before a Redis of its own, on one core with the load and Redis on the other; answers what is to be printed. */
export async function benchGateway({ json, quick, toTable, tell }: BenchGatewayOptions): Promise<string> {
  const size = quick ? QUICK : FULL
  const redis = await startRedisOnLoadCore()
  const start = (side: Side) => startServer({ runtime: [process.execPath], file: SERVER, args: [side, redis.url] })
  try {
    tell('requests of one command')
    const single = await compareRequests(start, size)
    tell(`pipelines of ${PIPELINE.length}`)
    const piped = await comparePipelines(start, redis.url, size)
    tell('latency')
    const latency = await withServer(start, ({ url }) => measureLatency(url, redis.url, size.samples))
    tell(`${size.subscribers} idle subscribers`)
    const { subscribers: count, subscribedMs: forMs } = size
    const subscribedMb = await withServer(start, (server) =>
      mostWhileWatched(server, { count, path: '/subscribe/room-*', first: 'subscribe,', forMs }),
    )
    tell(`memory over ${size.requests} requests`)
    const grownMb = await withServer(start, (server) => measureGrowth(server, size))
    const targets = [
      atLeast('one command over a bare server', single.ratio, 'times', 0.5),
      told('one command a request', single.gateway, 'requests/s'),
      told('the bare server', single.other, 'requests/s'),
      atLeast('pipelines over the library alone', piped.ratio, 'times', 0.5),
      told('pipelines of 100', piped.gateway, 'commands/s'),
      told('the library alone', piped.other, 'commands/s'),
      atMost('latency added, p50', rounded(latency.addedMs), 'ms', 0.3),
      told('GET through the gateway, p50', rounded(latency.gatewayMs), 'ms'),
      told('GET by the library, p50', rounded(latency.libraryMs), 'ms'),
      atMost(`${count.toLocaleString('en')} idle subscribers`, subscribedMb, 'MB', 300),
      atMost(`growth over ${size.requests.toLocaleString('en')} requests`, grownMb, 'MB', 20),
    ]
    return json ? JSON.stringify({ targets }) : `\n${toTable(targets)}`
  } finally {
    await redis.stop()
  }
}

type Start = (side: Side) => Promise<ServerProcess>

async function withServer<T>(start: Start, measure: (server: ServerProcess) => Promise<T>): Promise<T> {
  const server = await start('gateway')
  const measured = await measure(server)
  await server.stop()
  return measured
}

interface Compared {
  readonly gateway: number
  readonly other: number
  /** Of the gateway's in the other's in the same round: the median. */
  readonly ratio: number
}

/** They take turns, each idle while the other one is asked; the first second of both does not count. */
async function compare(
  { rounds, seconds }: Size,
  gatewayPerS: (seconds: number) => Promise<number>,
  otherPerS: (seconds: number) => Promise<number>,
): Promise<Compared> {
  const found: { readonly gateway: number; readonly other: number }[] = []
  await gatewayPerS(1)
  await otherPerS(1)
  for (let round = 0; round < rounds; round++)
    found.push({ gateway: await gatewayPerS(seconds), other: await otherPerS(seconds) })
  return {
    gateway: rounded(median(found.map(({ gateway }) => gateway))),
    other: rounded(median(found.map(({ other }) => other))),
    ratio: rounded(median(found.map(({ gateway, other }) => gateway / other))),
  }
}

async function compareRequests(start: Start, size: Size): Promise<Compared> {
  const load = createLoad({ path: '/', body: JSON.stringify(SET) })
  const bare = await start('bare')
  const compared = await withServer(start, ({ url }) =>
    compare(
      size,
      (seconds) => load.requestsPerS(url, seconds),
      (seconds) => load.requestsPerS(bare.url, seconds),
    ),
  )
  await bare.stop()
  return compared
}

async function comparePipelines(start: Start, redisUrl: string, size: Size): Promise<Compared> {
  const load = createLoad({ path: '/pipeline', body: JSON.stringify(PIPELINE) })
  const library = await startServer({ runtime: [process.execPath], file: LIBRARY, args: [redisUrl] })
  const compared = await withServer(start, ({ url }) =>
    compare(
      size,
      async (seconds) => (await load.requestsPerS(url, seconds)) * PIPELINE.length,
      async (seconds) => Number(await library.ask(String(seconds))),
    ),
  )
  await library.stop()
  return compared
}

/** By how much the memory of a warm server has grown after so many requests, in MB, counted without what is not in use. */
async function measureGrowth(server: ServerProcess, { warmUp, requests }: Size): Promise<number> {
  const load = createLoad({ path: '/', body: JSON.stringify(SET) })
  await requestSoMany(load, server.url, warmUp)
  await server.ask(COLLECT)
  const beforeBytes = server.residentBytes()
  await requestSoMany(load, server.url, requests)
  await server.ask(COLLECT)
  return Math.round((server.residentBytes() - beforeBytes) / 1e6)
}

const STEP_SECONDS = 5

async function requestSoMany(load: Load, url: string, count: number): Promise<void> {
  for (let made = 0; made < count; ) made += (await load.requestsPerS(url, STEP_SECONDS)) * STEP_SECONDS
}
