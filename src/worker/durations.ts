/** So many of a task's last runs are looked at. */
const KEPT = 64
/** A presence record stays small, however many tasks an app has. */
const MAX_TOLD = 20

/** How long the handlers of each task take, by what was seen of them. */
export interface Durations {
  add(task: string, ms: number): void
  /** So long or less took 95 of 100; undefined for a task of which nothing is known. */
  p95Ms(task: string): number | undefined
  /** The same of all tasks, for others to learn from; undefined while nothing is known. */
  all(): Readonly<Record<string, number>> | undefined
  /** Takes over what others have seen, until the task has run here. */
  learn(p95Ms: Readonly<Record<string, number>>): void
}

export function createDurations(): Durations {
  const seen = new Map<string, { readonly lastMs: number[]; next: number }>()
  const learned = new Map<string, number>()

  function p95Ms(task: string): number | undefined {
    const lastMs = seen.get(task)?.lastMs
    if (!lastMs) return learned.get(task)
    const ordered = lastMs.toSorted((a, b) => a - b)
    return ordered[Math.ceil(ordered.length * 0.95) - 1]
  }

  return {
    add(task, ms) {
      let runs = seen.get(task)
      if (!runs) {
        runs = { lastMs: [], next: 0 }
        seen.set(task, runs)
      }
      runs.lastMs[runs.next] = ms
      runs.next = (runs.next + 1) % KEPT
    },
    p95Ms,
    all() {
      const tasks = [...new Set([...seen.keys(), ...learned.keys()])].slice(0, MAX_TOLD)
      const told = tasks.map((task) => [task, Math.round(p95Ms(task) ?? 0)] as const)
      return told.length === 0 ? undefined : Object.fromEntries(told)
    },
    learn(p95Ms) {
      for (const [task, ms] of Object.entries(p95Ms)) learned.set(task, ms)
    },
  }
}
