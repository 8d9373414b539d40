import type { Clock } from '../../../src/clock.ts'
import { tooMany } from '../protocol/refusal.ts'
import type { Caller } from '../tokens/auth.ts'

/** How many streams there may be at a time, of whatever kind, and for how long: each ends once its token is not what it was. */
export interface Seats {
  /** Returns what gives it back. `end` is called when its caller's token has ended. Throws `Refusal` when none is free. */
  take(caller: Caller, end: () => void): () => void
  taken(): number
}

export interface SeatsOptions {
  readonly maxSubscribers: number
  readonly clock: Clock
  /** Whether its token is still there, has not expired, and has the same rights. */
  readonly isGood: (caller: Caller) => boolean
}

/** Nothing is looked at with each message. */
const LOOK_MS = 5_000

export function createSeats({ maxSubscribers, clock, isGood }: SeatsOptions): Seats {
  const ends = new Map<Caller, Set<() => void>>()
  let taken = 0
  let cancel: (() => void) | undefined

  function look(): void {
    cancel = clock.after(LOOK_MS, look)
    for (const [caller, ofCaller] of ends) if (isOver(caller)) for (const end of [...ofCaller]) end()
  }

  /** While nobody can tell the tokens, they are as they were. */
  function isOver(caller: Caller): boolean {
    try {
      return !isGood(caller)
    } catch {
      return false
    }
  }

  function leave(caller: Caller, end: () => void): void {
    const ofCaller = ends.get(caller)
    ofCaller?.delete(end)
    if (ofCaller?.size === 0) ends.delete(caller)
    taken--
    if (taken > 0) return
    cancel?.()
    cancel = undefined
  }

  return {
    take(caller, end) {
      if (taken >= maxSubscribers) throw tooMany('subscribers', maxSubscribers)
      taken++
      const ofCaller = ends.get(caller) ?? new Set()
      ends.set(caller, ofCaller.add(end))
      cancel ??= clock.after(LOOK_MS, look)
      return () => leave(caller, end)
    },
    taken: () => taken,
  }
}
