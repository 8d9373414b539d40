import { median, quantile, rounded } from '../stats.ts'
import type { RedisFigures, Sizes } from './figures.ts'
import { type Driver, type DriverOptions, startDriver } from './process.ts'
import type { Servers } from './servers.ts'

/** Between two samples of one job: by then whoever ran the last one waits again. Never in step with anything. */
const PAUSE_FROM_MS = 30
const PAUSE_TO_MS = 50
/** What a runtime or a library still does after work is not the idle worker's. */
const SETTLED_MS = 1_500
const BACKLOG_CLAIMED = 2_000
const MINUTE_MS = 60_000

/** One side of the comparison. */
export interface Side {
  readonly name: string
  readonly driver: DriverOptions
}

interface Step {
  readonly figure: string
  run(driver: Driver): Promise<number>
}

export interface CompareOptions {
  readonly sides: readonly Side[]
  readonly servers: Servers
  readonly sizes: Sizes
  readonly roundTripMs: number
  /** Hears what is being measured. */
  readonly tell: (step: string) => void
}

/** Takes every figure of every side, alternating, against the same Redis; medians of the rounds. */
export async function compareSides(options: CompareOptions): Promise<readonly RedisFigures[]> {
  const { sides, sizes, tell } = options
  const drivers: Driver[] = []
  for (const { driver } of sides) drivers.push(await startDriver(driver))
  const samples = sides.map(() => new Map<string, number[]>())
  const steps = throughput(sizes)
  for (let round = 0; round < sizes.rounds; round++) {
    tell(`throughput, round ${round + 1} of ${sizes.rounds}`)
    for (const step of rotated(steps, round)) await takeTurns(options, drivers, samples, step, round)
  }
  tell('a backlog')
  const backlogs = [backlogStep('small', BACKLOG_CLAIMED, sizes), backlogStep('large', sizes.backlog, sizes)]
  for (let claim = 0; claim < sizes.claims; claim++)
    for (const step of rotated(backlogs, claim)) await takeTurns(options, drivers, samples, step, claim)

  const figures: RedisFigures[] = []
  for (const [at, side] of sides.entries()) {
    tell(`pickup, commands and bytes of ${side.name}`)
    const one = await measureOne(options, drivers[at] as Driver, side)
    const of = (figure: string) => median(samples[at]?.get(figure) ?? [])
    figures.push({
      broker: side.name,
      enqueueBatchPerS: Math.round(of('batched')),
      enqueueConcurrentPerS: Math.round(of('concurrent')),
      enqueueSequentialPerS: Math.round(of('sequential')),
      processPerS: { '1': Math.round(of('1')), '10': Math.round(of('10')), '100': Math.round(of('100')) },
      backlogRatio: rounded(of('small') / of('large')),
      ...one,
    })
  }
  for (const driver of drivers) await driver.close()
  return figures
}

function throughput(sizes: Sizes): readonly Step[] {
  const perSecond = (count: number, ms: number) => (count / ms) * 1_000
  return [
    ...(['sequential', 'concurrent', 'batched'] as const).map((figure) => ({
      figure,
      run: async (driver: Driver) => perSecond(sizes[figure], await driver.call(figure, sizes[figure])),
    })),
    ...(['1', '10', '100'] as const).map((concurrency) => ({
      figure: concurrency,
      async run(driver: Driver) {
        const count = sizes.processed[concurrency]
        await driver.call('batched', count)
        return perSecond(count, await driver.call('process', count, Number(concurrency)))
      },
    })),
  ]
}

/** The rate of the same claims from a backlog of that length. */
function backlogStep(figure: string, backlog: number, { batched }: Sizes): Step {
  const claimed = Math.min(BACKLOG_CLAIMED, batched)
  return {
    figure,
    async run(driver) {
      await driver.call('batched', backlog)
      return (claimed / (await driver.call('process', claimed, 100))) * 1_000
    },
  }
}

async function takeTurns(
  { servers }: CompareOptions,
  drivers: readonly Driver[],
  samples: readonly Map<string, number[]>[],
  { figure, run }: Step,
  round: number,
): Promise<void> {
  for (const [at, driver] of rotated([...drivers.entries()], round)) {
    const found = await run(driver)
    samples[at]?.set(figure, [...(samples[at]?.get(figure) ?? []), found])
    await servers.empty()
  }
}

function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const at = by % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}

async function measureOne({ servers, sizes, roundTripMs }: CompareOptions, driver: Driver, side: Side) {
  const bytesPerJob = await measureBytes(servers, driver, sizes.stored)
  const commandsPerJob = await measureCommands(servers, driver)
  const inBareCommands = await driver.call('bare', sizes.sequential)
  await servers.empty()
  const waiting = await startDriver(side.driver)
  await waiting.call('start', 1)
  const pickups = await runOneByOne(driver, waiting, sizes.pickups, roundTripMs)
  const one = await commandsOf(servers, driver, waiting, sizes, roundTripMs)
  await pause(SETTLED_MS)
  let idleCpuMs = 0
  const idleCommands = await servers.countCommands(async () => {
    idleCpuMs = await waiting.call('idle', sizes.idleMs)
  })
  await waiting.call('stop')
  await servers.empty()
  await waiting.call('start', 50)
  const fifty = await commandsOf(servers, driver, waiting, sizes, roundTripMs)
  await waiting.call('stop')
  await waiting.close()
  await servers.empty()
  return {
    pickupMs: { p50: rounded(median(pickups)), p99: rounded(quantile(pickups, 0.99)) },
    bytesPerJob: Math.round(bytesPerJob),
    idleCpuMsPerS: rounded((idleCpuMs / sizes.idleMs) * 1_000),
    commandsPerJob: rounded(commandsPerJob),
    commandsOneAtATime: { '1': rounded(one), '50': rounded(fifty) },
    ...(inBareCommands > 0 ? { enqueueInBareCommands: rounded(inBareCommands) } : {}),
    idleCommandsPerMinute: rounded((idleCommands / sizes.idleMs) * MINUTE_MS),
  }
}

async function measureBytes(servers: Servers, driver: Driver, count: number): Promise<number> {
  await driver.call('batched', 1)
  const before = await servers.usedBytes()
  await driver.call('batched', count)
  const bytes = (await servers.usedBytes()) - before
  await servers.empty()
  return bytes / count
}

async function measureCommands(servers: Servers, driver: Driver): Promise<number> {
  const commands = await servers.countCommands(async () => {
    await driver.call('sequential', 1_000)
    await driver.call('process', 1_000, 10)
  })
  await servers.empty()
  return commands / 1_000
}

async function commandsOf(servers: Servers, driver: Driver, waiting: Driver, sizes: Sizes, roundTripMs: number) {
  const commands = await servers.countCommands(() => runOneByOne(driver, waiting, sizes.oneAtATime, roundTripMs))
  return commands / sizes.oneAtATime
}

/** From just before `enqueue` in one process to the start of the handler in another that had been idle; milliseconds each. */
async function runOneByOne(driver: Driver, waiting: Driver, count: number, roundTripMs: number): Promise<number[]> {
  const latenciesMs: number[] = []
  for (let sample = 0; sample < count; sample++) {
    const picked = waiting.nextPickedMs()
    const sentMs = driver.toOurMs(await driver.call('send'))
    latenciesMs.push((await picked) - sentMs)
    await pause(PAUSE_FROM_MS + Math.random() * (PAUSE_TO_MS - PAUSE_FROM_MS) + 4 * roundTripMs)
  }
  return latenciesMs
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
