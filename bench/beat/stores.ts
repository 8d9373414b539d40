import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { redisBroker } from '../../adapters/brokers/redis/index.ts'
import { sqliteBroker } from '../../adapters/brokers/sqlite/index.ts'
import type { Broker } from '../../src/broker.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import type { Servers } from '../redis/servers.ts'

/** A kind of broker that beats are measured on. */
export interface StoreKind {
  readonly broker: 'sqlite' | 'redis'
  /** An empty store. */
  create(): Promise<BeatStore>
}

export interface BeatStore {
  /** By a clock that is so far behind. */
  open(behindMs: number): Broker
  /** What names it to `tq`. */
  readonly flags: readonly string[]
  readonly env: Readonly<Record<string, string>>
  remove(): Promise<void>
}

const behind = (byMs: number): Clock => ({ ...systemClock, now: () => Date.now() - byMs })

/** A file of the embedded broker, and the Redis of these servers behind their gateway. */
export function storeKinds({ gatewayUrl, token, empty }: Servers): readonly StoreKind[] {
  return [
    { broker: 'sqlite', create: createFile },
    {
      broker: 'redis',
      create: async () => ({
        open: (byMs) =>
          redisBroker({ url: gatewayUrl, token, subscribe: false, clock: behind(byMs), ownTime: byMs > 0 }),
        flags: [],
        env: { UPSTASH_REDIS_REST_URL: gatewayUrl, UPSTASH_REDIS_REST_TOKEN: token },
        remove: empty,
      }),
    },
  ]
}

async function createFile(): Promise<BeatStore> {
  const folder = mkdtempSync(join(tmpdir(), 'tq-bench-'))
  const path = join(folder, 'tq.db')
  return {
    open: (byMs) => sqliteBroker({ path, clock: behind(byMs) }),
    flags: ['--db', path],
    env: {},
    remove: async () => rmSync(folder, { recursive: true, force: true }),
  }
}
