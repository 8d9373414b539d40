import type { App } from '../src/app.ts'
import { type Broker, MAX_AHEAD_MS } from '../src/broker.ts'
import { type Clock, systemClock } from '../src/clock.ts'
import { InvalidOption } from '../src/errors.ts'
import { type OnEvent, withoutThrowing } from '../src/events.ts'
import type { OutboundOptions } from '../src/outbound.ts'
import { createCalls } from './calls.ts'
import { pass, type TickReport } from './pass.ts'
import { createPings } from './pings.ts'

/** With how the pings of schedules that have a `pingUrl` are sent. */
export interface TickOptions extends OutboundOptions {
  readonly app: App
  readonly broker: Broker
  readonly clock?: Clock
  readonly random?: () => number
  readonly onEvent?: OnEvent | undefined
  /**
   * How far to look ahead: due times within so long become jobs now that wait for them, so that a schedule may be due more often than
   * passes are made. The time between two passes, at most 900,000. Default 0.
   */
  readonly aheadMs?: number | undefined
  /** What tells that a beat was there, in `tq schedules --json`; all passes of one name are one beat there. Default `pass`. */
  readonly name?: string | undefined
  /** What it runs on, shown beside the name. */
  readonly runtime?: string | undefined
  /** Whether it leaves word that a beat was there, which is one command where they are billed. Default true. */
  readonly presence?: boolean | undefined
  /** How late a schedule is fired at most without the event `beat.late`. Default 90,000. */
  readonly lateAfterMs?: number | undefined
}

/**
 * Fires the ticks of the app's schedules that are due: one pass, for edge crons and `tq beat --once`.
 *
 * Any number of passes may run at once, some of them looking ahead. Throws `InvalidOption` for an `aheadMs` that cannot be, and what
 * the broker throws when it cannot be reached.
 *
 * @example
 * ```ts
 * import { defineApp, defineTask } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { deploySchedules, every, tick } from 'tq-edge/scheduler'
 *
 * const check = defineTask({ name: 'check', run: () => 'ok' })
 * const app = defineApp({ tasks: [check], schedules: [every('checks', '10s', { task: check })] })
 * const broker = sqliteBroker({ path: ':memory:' })
 * await deploySchedules({ app, broker, stampMs: 1 })
 * const { nextAtMs, nowMs } = await tick({ app, broker, aheadMs: 60_000 }) // 6 jobs that wait for their time
 * console.log((nextAtMs ?? 0) > nowMs + 60_000) // true
 * ```
 */
export async function tick({
  app,
  broker,
  clock = systemClock,
  random = Math.random,
  aheadMs = 0,
  name = 'pass',
  runtime = 'unknown',
  lateAfterMs,
  ...given
}: TickOptions): Promise<TickReport> {
  const onEvent = withoutThrowing(given.onEvent)
  checkAhead(aheadMs)
  const calls = createCalls(broker, { clock, random, onEvent })
  const pings = createPings({ clock, onEvent, fetch: given.fetch, allowHosts: given.allowHosts })
  const self = { beat: name, app: app.name, runtime, startedAtMs: clock.now() }
  const presence = given.presence === false ? undefined : self
  try {
    return await pass({ app, calls, clock, onEvent, unknownSeen: new Set(), aheadMs, lateAfterMs, pings }, presence)
  } finally {
    await pings.ended(PINGS_MS)
  }
}

/** A pass ends 5 s later at the latest. */
const PINGS_MS = 5_000

function checkAhead(aheadMs: number): void {
  if (!(Number.isInteger(aheadMs) && aheadMs >= 0 && aheadMs <= MAX_AHEAD_MS))
    throw new InvalidOption('aheadMs', `whole milliseconds from 0 to ${MAX_AHEAD_MS}`, String(aheadMs))
}
