import type { Packed } from './packed.ts'
import type { Outcome } from './project/conformance.ts'

export type { Outcome }

/** What every runtime is checked with. */
export interface Site {
  readonly packed: Packed
  /** Of a Redis, as in `redis://127.0.0.1:6379`. */
  readonly redisUrl: string
  /** What `Ground` says of it. */
  readonly pagesUrl: string
}

/** One runtime. A further one is a file in `on/` and a line in `index.ts`. */
export interface Runtime {
  /** As in `node 24.21.0`. */
  readonly name: string
  check(site: Site): Promise<readonly Outcome[]>
}

/** Runs one check and tells what came of it. */
export async function outcomeOf(name: string, check: () => Promise<void>): Promise<Outcome> {
  try {
    await check()
    return { name }
  } catch (error) {
    return { name, error: error instanceof Error ? error.message : String(error) }
  }
}

export function expectEqual(got: unknown, expected: unknown): void {
  if (!Bun.deepEquals(got, expected)) throw new Error(`expected ${Bun.inspect(expected)}, got ${Bun.inspect(got)}`)
}
