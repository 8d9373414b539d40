import { type Broker, beatsOf } from '../src/broker.ts'
import type { Clock } from '../src/clock.ts'
import { toError } from '../src/errors.ts'
import type { OnEvent } from '../src/events.ts'

/** How a beat learns of what others have changed: by hints, or where the broker gives none, by a look now and then. */
export interface Changes {
  /** Asks for hints. */
  listen(): Promise<void>
  /** To be called with a look that begins: whether a hint has asked for it. One that comes while it is under way counts for the next. */
  looking(): boolean
  /** Resolves after so long, but no later than a look is due: for a hint, which may have come before, or because none tells. */
  rest(forMs: number): Promise<void>
  /** Ends a rest, and hears no more hints. */
  end(): void
}

export interface ChangesOptions {
  readonly broker: Broker
  readonly app: string
  readonly clock: Clock
  readonly onEvent?: OnEvent | undefined
}

/** Without hints. */
const LOOK_MS = 30_000
/** With them a look is for one that was lost; a beat that looks so often also tells often enough that it is there. */
const HINTED_LOOK_MS = 80_000
/** Changes that follow one another are looked at together. */
const HINT_PAUSE_MS = 500
/** Where no hints come through, a broker asks for looks far more often than a beat needs: they become as rare as without. */
const MISSED_FIRST_MS = 1_000

export function createChanges({ broker, app, clock, onEvent }: ChangesOptions): Changes {
  let unlisten: (() => void) | undefined
  let ended = false
  let lookedAtMs = Number.NEGATIVE_INFINITY
  /** When somebody has asked for a look. */
  let askedAtMs = Number.POSITIVE_INFINITY
  let missedPauseMs = 0
  let wakeUp = () => {}

  function ask(pauseMs: number): void {
    askedAtMs = Math.min(askedAtMs, Math.max(clock.monotonic(), lookedAtMs + pauseMs))
    wakeUp()
  }

  function hinted(kind?: 'look'): void {
    ask(kind === 'look' ? missedPauseMs : HINT_PAUSE_MS)
    if (kind === 'look') missedPauseMs = Math.min(LOOK_MS, Math.max(MISSED_FIRST_MS, 2 * missedPauseMs))
  }

  function stopListening(): void {
    unlisten?.()
    unlisten = undefined
  }

  function turn(forMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(forMs, () => wakeUp())
      wakeUp = () => {
        cancel()
        resolve()
      }
    })
  }

  return {
    async listen() {
      try {
        unlisten = await broker.wake?.listen(beatsOf(app), hinted)
      } catch (error) {
        onEvent?.({ kind: 'broker.failed', call: 'listen', reason: toError(error).message })
      }
      // What has changed since the last look may have been before this.
      if (unlisten && lookedAtMs > Number.NEGATIVE_INFINITY) ask(0)
      if (ended) stopListening()
    },
    looking() {
      const wasAsked = askedAtMs < Number.POSITIVE_INFINITY
      lookedAtMs = clock.monotonic()
      askedAtMs = Number.POSITIVE_INFINITY
      return wasAsked
    },
    async rest(forMs) {
      const untilMs = clock.monotonic() + Math.min(forMs, unlisten ? HINTED_LOOK_MS : LOOK_MS)
      for (let nowMs = clock.monotonic(); !ended && nowMs < Math.min(untilMs, askedAtMs); nowMs = clock.monotonic())
        await turn(Math.min(untilMs, askedAtMs) - nowMs)
      if (askedAtMs === Number.POSITIVE_INFINITY) missedPauseMs = 0
    },
    end() {
      ended = true
      wakeUp()
      stopListening()
    },
  }
}
