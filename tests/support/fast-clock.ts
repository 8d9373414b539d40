import { type Clock, systemClock } from '../../src/clock.ts'
import type { ScriptChange } from './script-changes.ts'

export interface FastClock extends Clock {
  /** Has the broker's scripts keep this clock's time: that of the server, so many times as fast. */
  readonly changes: readonly ScriptChange[]
}

/** A key that a test may set: so many milliseconds is the server ahead. */
export const AHEAD = 'test:ahead'
const SERVER_MS = 'tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)'
const REPLAY_KEPT = "'PX', 120000"

/**
 * Time that passes so many times as fast as it does, for workers, network and server alike: a minute is over in seconds,
 * and leases, lateness and what is remembered of a call keep the proportions they have in earnest.
 */
export function createFastClock(speed: number): FastClock {
  const startMs = Date.now()
  const ahead = `tonumber(redis.call('GET', prefix .. '${AHEAD}') or 0)`
  return {
    now: () => startMs + (Date.now() - startMs) * speed,
    monotonic: () => performance.now() * speed,
    after: (delayMs, run) => systemClock.after(delayMs / speed, run),
    changes: [
      [SERVER_MS, `math.floor(${startMs} + (${SERVER_MS} - ${startMs}) * ${speed}) + ${ahead}`],
      [REPLAY_KEPT, `'PX', ${120_000 / speed}`],
    ],
  }
}
