import { type DriverOptions, startDriver } from '../redis/process.ts'
import type { Servers } from '../redis/servers.ts'
import { rounded } from '../stats.ts'
import { EVERY_MS, type FiringCalls } from './firing.ts'

/** One side of the comparison of firing. */
export interface FiringSide {
  readonly name: string
  readonly driver: DriverOptions
}

/** What firing and running the jobs of schedules of one second each has cost. */
export interface FiringFigures {
  readonly side: string
  /** Of those that were due: a side that is not there in time passes some over. */
  readonly firedShare: number
  readonly commandsPerJob: number
  readonly lateMs: { readonly p50: number; readonly p99: number }
}

export interface FiringSize {
  readonly schedules: number
  /** 0: all of them are due at once. */
  readonly jitterMs: number
  readonly forMs: number
}

/** Until both sides fire every second, and what is done once has been done. */
const WARM_UP_MS = 6_000
/** By then the last of what was due has been run. */
const SETTLED_MS = 2_000
/** A side that does less than that does not work. */
const MIN_FIRED_SHARE = 0.1

/** From when its schedules are stored and all is warm: commands by the server's count, lateness at the start of the handler. */
export async function measureFiring(
  servers: Servers,
  { name, driver: options }: FiringSide,
  { schedules, jitterMs, forMs }: FiringSize,
): Promise<FiringFigures> {
  const driver = await startDriver<FiringCalls>(options)
  await driver.call('start', schedules, jitterMs)
  const fromMs = halfPast(Date.now() + WARM_UP_MS)
  const toMs = fromMs + forMs
  await Bun.sleep(fromMs - Date.now())
  const commands = await servers.countCommands(() => Bun.sleep(toMs - Date.now()))
  await Bun.sleep(SETTLED_MS)
  const fired = await driver.call('ticks', fromMs, toMs)
  const again = await driver.call('again', fromMs, toMs)
  const late = (share: number) => driver.call('late', fromMs, toMs, share)
  const lateMs = { p50: rounded(await late(0.5)), p99: rounded(await late(0.99)) }
  await driver.close()
  await servers.empty()
  const due = (schedules * forMs) / EVERY_MS
  if (again > 0) throw new Error(`expected ${name} to run each tick once, got ${again} again`)
  if (fired < due * MIN_FIRED_SHARE) throw new Error(`expected ${name} to run the jobs of ${due} ticks, got ${fired}`)
  return { side: name, firedShare: rounded(fired / due), commandsPerJob: rounded(commands / fired), lateMs }
}

/** Where all are due at once, what is due in a second has been run by then, and counts as a whole. */
function halfPast(ms: number): number {
  return Math.ceil(ms / EVERY_MS) * EVERY_MS + EVERY_MS / 2
}
