import { nodeForBullMq } from '../bullmq/installed.ts'
import { type Servers, startServers } from '../redis/servers.ts'
import { compared, type RatioTarget, atMost as ratioAtMost, toRatioTable } from '../redis/targets.ts'
import { atLeast, atMost, type Target } from '../targets.ts'
import { measureCatchUp } from './catch-up.ts'
import { type FiringFigures, type FiringSide, measureFiring } from './compare.ts'
import { measureLateness } from './lateness.ts'
import { storeKinds } from './stores.ts'

export interface BenchBeatOptions {
  readonly json: boolean
  readonly quick: boolean
  readonly toTable: (targets: readonly Target[]) => string
  readonly tell: (step: string) => void
}

interface Size {
  readonly latenessMs: number
  readonly caughtUp: { readonly schedules: number; readonly missed: number }
  readonly firing: { readonly schedules: number; readonly forMs: number }
}

const FULL: Size = {
  latenessMs: 30_000,
  caughtUp: { schedules: 1_000, missed: 100 },
  firing: { schedules: 1_000, forMs: 60_000 },
}

/** For a look while working: too little for figures to rely on. */
const QUICK: Size = {
  latenessMs: 5_000,
  caughtUp: { schedules: 1_000, missed: 20 },
  firing: { schedules: 1_000, forMs: 5_000 },
}

/** All at once is the hardest to be in time for, spread over the second the dearest to fire. */
const SPREADS = [
  { name: 'due at once', jitterMs: 0 },
  { name: 'spread over it', jitterMs: 999 },
] as const

/** Measures `tq beat` on both brokers, and beat and worker beside BullMQ's job schedulers; answers what is to be printed. */
export async function benchBeat({ json, quick, toTable, tell }: BenchBeatOptions): Promise<string> {
  const size = quick ? QUICK : FULL
  const node = nodeForBullMq()
  const servers = await startServers(0)
  try {
    const targets = await measureBeats(servers, size, tell)
    const sides = sidesOf(servers, node.command)
    const firing: { readonly spread: string; readonly figures: readonly FiringFigures[] }[] = []
    for (const [at, { name, jitterMs }] of SPREADS.entries()) {
      const figures = new Map<FiringSide, FiringFigures>()
      // Each goes first once.
      for (const side of at % 2 === 0 ? sides : sides.toReversed()) {
        tell(`${size.firing.schedules} schedules of one second, ${name}: ${side.name}`)
        figures.set(side, await measureFiring(servers, side, { ...size.firing, jitterMs }))
      }
      firing.push({ spread: name, figures: sides.flatMap((side) => figures.get(side) ?? []) })
    }
    const ratios = firing.flatMap(({ spread, figures }) => toRatios(spread, figures))
    if (json) return JSON.stringify({ targets, firing, ratios })
    const title = `tq over HTTP on Bun ${process.versions.bun}, BullMQ over TCP on ${node.name}${quick ? ', quick' : ''}`
    return `\n${toTable(targets)}\n\n${title}\n\n${toRatioTable(ratios)}`
  } finally {
    await servers.stop()
  }
}

async function measureBeats(servers: Servers, size: Size, tell: (step: string) => void): Promise<readonly Target[]> {
  const targets: Target[] = []
  for (const { broker, create } of storeKinds(servers)) {
    tell(`lateness at 100 ticks a second, ${broker}`)
    const timed = await create()
    const { p50, p99 } = await measureLateness(timed, size.latenessMs)
    await timed.remove()
    const { schedules, missed } = size.caughtUp
    tell(`catching up with ${schedules * missed} ticks, ${broker}`)
    const behind = await create()
    const perS = await measureCatchUp(behind, schedules, missed)
    await behind.remove()
    targets.push(
      atMost(`${broker}: tick to stored job, p50`, p50, 'ms', 5),
      atMost(`${broker}: the same, p99`, p99, 'ms', 25),
      atLeast(`${broker}: catching up`, perS, 'ticks/s', 5_000),
    )
  }
  return targets
}

function sidesOf({ gatewayUrl, token, redisPort }: Servers, node: readonly string[]): readonly FiringSide[] {
  return [
    { name: 'tq', driver: { command: [process.execPath], file: '../beat/tq.ts', args: [gatewayUrl, token] } },
    {
      name: 'BullMQ',
      driver: { command: node, file: '../bullmq/schedulers.ts', args: ['127.0.0.1', String(redisPort)] },
    },
  ]
}

const MOST_COMMANDS = 0.2

function toRatios(spread: string, [tq, bullmq]: readonly FiringFigures[]): readonly RatioTarget[] {
  if (!tq || !bullmq) throw new Error('expected figures of both sides')
  const row = (figure: string, of: (figures: FiringFigures) => number, limit = ratioAtMost(1)) =>
    compared(`${spread}: ${figure}`, of(tq), of(bullmq), limit)
  return [
    { ...row('share of ticks fired', (of) => of.firedShare, null), target: 'tq = 1', met: tq.firedShare === 1 },
    row('commands per job', (of) => of.commandsPerJob, ratioAtMost(MOST_COMMANDS)),
    row('due to handler p50, ms', (of) => of.lateMs.p50, null),
    row('due to handler p99, ms', (of) => of.lateMs.p99),
  ]
}
