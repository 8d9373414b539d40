import type { Clock } from '../../src/clock.ts'

export interface VirtualClock extends Clock {
  /** Moves time on, running every timer on its way at its own moment, and lets what it started come to rest. */
  advance(ms: number): Promise<void>
  /** Steps the wall clock alone, as NTP or an administrator would. */
  stepWall(ms: number): void
}

interface Timer {
  readonly atMs: number
  readonly run: () => void
}

export const VIRTUAL_START_MS = Date.UTC(2026, 0, 5, 12)

/** Time that moves only when a test says so. */
export function createVirtualClock(startMs: number = VIRTUAL_START_MS): VirtualClock {
  let elapsedMs = 0
  let wallStepMs = 0
  const timers = new Set<Timer>()
  const nextTimer = (untilMs: number) =>
    [...timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0]
  return {
    now: () => startMs + elapsedMs + wallStepMs,
    monotonic: () => elapsedMs,
    after(delayMs, run) {
      const timer = { atMs: elapsedMs + Math.max(0, delayMs), run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    async advance(ms) {
      const untilMs = elapsedMs + ms
      await settled()
      for (let timer = nextTimer(untilMs); timer; timer = nextTimer(untilMs)) {
        timers.delete(timer)
        elapsedMs = Math.max(elapsedMs, timer.atMs)
        timer.run()
        await settled()
      }
      elapsedMs = untilMs
      await settled()
    },
    stepWall: (ms) => {
      wallStepMs += ms
    },
  }
}

/** On a loaded machine the SQLite broker takes a turn of the event loop with nearly every call: more than a test makes in a row. */
const TURNS = 12

/** Lets promises and immediates that are under way finish; no time passes. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve))
}
