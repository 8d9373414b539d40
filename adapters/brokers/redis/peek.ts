import type { Keys } from './keys.ts'
import { NEVER_MS } from './overlap.ts'
import type { Rest } from './rest.ts'

export interface QueuesLook {
  /** Whether something stands in a queue's ready places, be it paused. */
  readonly ready: boolean
  /** When the first lease ends or the first job falls due. */
  readonly nextAtMs: number | null
}

/**
 * Looks at queues without a script: no look at their records, nothing changed, nothing replayed.
 *
 * Commands: one EXISTS for all queues together, and as a rule there is nothing; two ZRANGE per queue where there is something.
 */
export async function lookAtQueues(
  { rest, keys }: { rest: Rest; keys: Keys },
  queues: readonly string[],
): Promise<QueuesLook> {
  const places = queues.flatMap((queue) => (['r', 'p', 'l', 't'] as const).map((place) => keys.queue(queue, place)))
  const existing = Number(await rest.command(['EXISTS', ...places]))
  if (existing === 0) return { ready: false, nextAtMs: null }
  const heads = await Promise.all(
    queues.flatMap((queue) => [head(rest, keys.queue(queue, 'l'), 1_024), head(rest, keys.queue(queue, 't'), 1)]),
  )
  const timers = heads.filter((atMs) => atMs !== null)
  const nextAtMs = Math.min(...timers)
  // Each timed place accounts for one of the keys that exist; the rest is ready.
  return { ready: existing > timers.length, nextAtMs: nextAtMs < NEVER_MS ? nextAtMs : null }
}

/** The lowest score of a sorted set, in units of so many: a lease's carries its epoch below the time. */
async function head(rest: Rest, key: string, unit: number): Promise<number | null> {
  const [, score] = (await rest.command(['ZRANGE', key, 0, 0, 'WITHSCORES'])) as [string?, string?]
  return score === undefined ? null : Math.floor(Number(score) / unit)
}
