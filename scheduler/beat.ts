import { v7 } from 'uuid'
import type { App } from '../src/app.ts'
import type { BeatPresence, Broker } from '../src/broker.ts'
import { checkBroker } from '../src/check.ts'
import { type Clock, sleep, systemClock } from '../src/clock.ts'
import { InvalidOption, isTqError } from '../src/errors.ts'
import { type OnEvent, withoutThrowing } from '../src/events.ts'
import type { OutboundOptions } from '../src/outbound.ts'
import { createCalls } from './calls.ts'
import { createChanges } from './changes.ts'
import { checkStamp, deploy, readNowMs } from './deploy.ts'
import { type PassContext, pass, type TickReport } from './pass.ts'
import { createPings } from './pings.ts'

/** With how the pings of schedules that have a `pingUrl` are sent. */
export interface BeatOptions extends OutboundOptions {
  readonly app: App
  readonly broker: Broker
  /** The app's version as a time, such as when it was built. Default: when the beat was started, by the broker's clock. */
  readonly stampMs?: number | undefined
  /** Shown in `tq schedules --json`. Default `beat`. */
  readonly name?: string | undefined
  /** What it runs on, shown beside the name. */
  readonly runtime?: string | undefined
  /** How late a schedule is fired at most without the event `beat.late`. Default 90,000. */
  readonly lateAfterMs?: number | undefined
  readonly clock?: Clock
  readonly random?: () => number
  readonly newId?: () => string
  readonly onEvent?: OnEvent | undefined
}

export interface Beat {
  /**
   * Stores the app's schedules, then fires what falls due until it is stopped. Rejects with `UnusableStore` when its broker's store
   * cannot be used.
   */
  run(): Promise<void>
  /** Ends `run` once the call that is under way has ended, and the pings that are have been answered or given up. */
  stop(): void
}

/** How often it tells that it is there. */
const PRESENCE_MS = 60_000
/** How long it leaves the broker to others even when something is always due. */
const MIN_PAUSE_MS = 7
/** After a call to the broker has failed for good. */
const OUTAGE_PAUSE_MS = 1_000

/**
 * Creates a beat: a loop that turns the app's schedules into jobs. Any number of them may run beside each other.
 *
 * Throws `InvalidOption` for a stamp that cannot be. An outage of the broker does not end it: it is told as an event, and what
 * fell due meanwhile is fired after it.
 *
 * @example
 * ```ts
 * import { defineApp, defineTask } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { createBeat, every } from 'tq-edge/scheduler'
 *
 * const check = defineTask({ name: 'check', run: () => 'ok' })
 * const app = defineApp({ tasks: [check], schedules: [every('checks', '100ms', { task: check })] })
 * const beat = createBeat({
 *   app,
 *   broker: sqliteBroker({ path: ':memory:' }),
 *   onEvent: (event) => event.kind === 'beat.fired' && beat.stop(),
 * })
 * await beat.run()
 * console.log('fired') // fired
 * ```
 */
export function createBeat(options: BeatOptions): Beat {
  const { app, broker, stampMs, name = 'beat', runtime = 'unknown', lateAfterMs } = options
  const { clock = systemClock, random = Math.random, newId = v7 } = options
  const onEvent = withoutThrowing(options.onEvent)
  if (stampMs !== undefined) checkStamp(stampMs)
  const stopping = new AbortController()
  const { signal } = stopping
  const calls = createCalls(broker, { clock, random, onEvent, signal })
  const changes = createChanges({ broker, app: app.name, clock, onEvent })
  const pings = createPings({ clock, onEvent, fetch: options.fetch, allowHosts: options.allowHosts })
  const context: PassContext = { app, calls, clock, onEvent, unknownSeen: new Set(), lateAfterMs, pings }
  const self: BeatPresence = { beat: `${name}.${newId()}`, app: app.name, runtime, startedAtMs: clock.now() }
  let nextPresenceMs = Number.NEGATIVE_INFINITY
  let started = false

  function presenceDue(): BeatPresence | undefined {
    if (clock.monotonic() < nextPresenceMs) return undefined
    nextPresenceMs = clock.monotonic() + PRESENCE_MS
    return self
  }

  /** By the broker's clock: a stamp of a clock that is ahead would keep later versions out until that time. */
  async function startStampMs(startedMs: number): Promise<number> {
    return Math.max(0, Math.round((await readNowMs(calls)) - (clock.monotonic() - startedMs)))
  }

  /** Null when the broker could not be reached, which has been told by then. */
  async function unlessOutage<T>(run: () => Promise<T>): Promise<T | null> {
    try {
      return await run()
    } catch (error) {
      // No waiting mends a store that cannot be used.
      if (!calls.caused(error) || isTqError(error, 'UnusableStore')) throw error
      return null
    }
  }

  async function deployOnce(): Promise<void> {
    const startedMs = clock.monotonic()
    const attempt = async () =>
      deploy(app, calls, { newId, onEvent, stampMs: stampMs ?? (() => startStampMs(startedMs)) })
    while (!signal.aborted && (await unlessOutage(attempt)) === null) await sleep(clock, OUTAGE_PAUSE_MS, signal)
  }

  async function fireUntilStopped(): Promise<void> {
    while (!signal.aborted) {
      // What stays due may be what has changed.
      if (changes.looking()) context.behind = undefined
      const report = await unlessOutage(() => pass(context, presenceDue()))
      if (!report) nextPresenceMs = Number.NEGATIVE_INFINITY // Nobody has heard of it.
      await changes.rest(report ? pauseMs(report) : OUTAGE_PAUSE_MS)
    }
  }

  return {
    async run() {
      if (started) throw new InvalidOption('a beat', 'run once', 'run again')
      started = true
      onEvent?.({ kind: 'beat.started', schedules: app.schedules.length })
      const unusable = await checkBroker(broker, onEvent)
      if (unusable) throw unusable
      await deployOnce()
      // Not waited for, which may take long: it asks for another look once hints can arrive.
      if (!signal.aborted) void changes.listen()
      try {
        await fireUntilStopped()
      } finally {
        changes.end()
        await pings.ended(0)
      }
      onEvent?.({ kind: 'beat.stopped' })
    },
    stop() {
      stopping.abort()
      changes.end()
    },
  }
}

/** Both times are the broker's, so a wrong clock of our own does not matter. */
function pauseMs({ nextAtMs, nowMs }: TickReport): number {
  return Math.max(MIN_PAUSE_MS, (nextAtMs ?? Number.POSITIVE_INFINITY) - nowMs)
}
