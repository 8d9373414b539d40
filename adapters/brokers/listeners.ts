import type { OnHint } from '../../src/broker.ts'

/** Who listens for hints in this process, by name. Several may share one, as the beats of an app do. */
export interface Listeners {
  readonly size: number
  has(waiter: string): boolean
  /** Answers what takes it out again. */
  add(waiter: string, onHint: OnHint): () => void
  hint(waiter: string, id?: string): void
  /** Tells everybody that hints may have been missed. */
  look(): void
  clear(): void
}

export function createListeners(): Listeners {
  const byName = new Map<string, Set<OnHint>>()
  return {
    get size() {
      return byName.size
    },
    has: (waiter) => byName.has(waiter),
    add(waiter, onHint) {
      const own: OnHint = (kind, id) => onHint(kind, id) // Of its own, also where one function is given twice.
      const named = byName.get(waiter) ?? new Set()
      byName.set(waiter, named.add(own))
      return () => {
        if (named.delete(own) && named.size === 0 && byName.get(waiter) === named) byName.delete(waiter)
      }
    },
    hint(waiter, id) {
      for (const onHint of [...(byName.get(waiter) ?? [])]) onHint(undefined, id)
    },
    look() {
      for (const named of [...byName.values()]) for (const onHint of [...named]) onHint('look')
    },
    clear: () => byName.clear(),
  }
}
