/** Counts what happens, for who waits until it has happened so often: where threads take part, no number of turns is enough. */
export interface Tally {
  add(): void
  reaches(count: number): Promise<void>
}

export function createTally(): Tally {
  let sum = 0
  const waiting = new Map<() => void, number>()
  return {
    add() {
      sum++
      for (const [resolve, count] of waiting) if (sum >= count) resolve()
    },
    reaches: (count) =>
      new Promise((resolve) => {
        if (sum >= count) resolve()
        else waiting.set(resolve, count)
      }),
  }
}
