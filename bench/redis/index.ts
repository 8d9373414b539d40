import { nodeForBullMq } from '../bullmq/installed.ts'
import { compareSides, type Side } from './compare.ts'
import { atRoundTrip, FULL, QUICK, ratioOf } from './figures.ts'
import { type Servers, startServers } from './servers.ts'
import { compareRatios, toRatioTable } from './targets.ts'

export interface BenchRedisOptions {
  readonly json: boolean
  readonly quick: boolean
  readonly roundTripMs: number
  readonly tell: (step: string) => void
}

/** Compares tq over HTTP with BullMQ over TCP, on the same Redis and in the same run; answers what is to be printed. */
export async function benchRedis({ json, quick, roundTripMs, tell }: BenchRedisOptions): Promise<string> {
  if (!(roundTripMs >= 0)) throw new Error('expected --rtt in milliseconds, 0 or more')
  const node = nodeForBullMq()
  const servers = await startServers(roundTripMs)
  const sizes = quick ? QUICK : FULL
  const [tq, bullmq, tqOnNode] = await compareSides({
    sides: sidesOf(servers, node.command),
    servers,
    sizes: roundTripMs > 0 ? atRoundTrip(sizes) : sizes,
    roundTripMs,
    tell,
  }).finally(() => servers.stop())
  if (!tq || !bullmq) throw new Error('expected figures of both sides')
  const targets = compareRatios({ tq, tqOnNode, bullmq, roundTripMs })
  if (json)
    return JSON.stringify({
      tq,
      bullmq,
      ratio: ratioOf(tq, bullmq),
      tqOnNode,
      ratioOnNode: tqOnNode && ratioOf(tqOnNode, bullmq),
      roundTripMs,
      targets,
    })
  const title = `tq over HTTP on Bun ${process.versions.bun}, BullMQ over TCP on ${node.name}, ${roundTripMs} ms round trip`
  return `\n${title}${quick ? ', quick' : ''}\n\n${toRatioTable(targets)}`
}

function sidesOf({ gatewayUrl, token, redisPort }: Servers, node: readonly string[]): readonly Side[] {
  const tq = { file: './tq.ts', args: [gatewayUrl, token] }
  return [
    { name: 'tq on bun', driver: { command: [process.execPath], ...tq } },
    {
      name: 'bullmq on node',
      driver: { command: node, file: '../bullmq/bullmq.ts', args: ['127.0.0.1', String(redisPort)] },
    },
    { name: 'tq on node', driver: { command: node, ...tq } },
  ]
}
