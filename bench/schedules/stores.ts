import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { redisBroker } from '../../adapters/brokers/redis/index.ts'
import { sqliteBroker } from '../../adapters/brokers/sqlite/index.ts'
import type { Broker } from '../../src/broker.ts'
import { startServers } from '../redis/servers.ts'

/** Where a broker keeps what a beat in another process is to find. */
export interface Store {
  readonly name: string
  /** What `openStore` takes. */
  readonly address: readonly string[]
  /** Runs something and counts the commands that it takes; null where nobody bills them. */
  countCommands(run: () => Promise<unknown>): Promise<number | null>
  empty(): Promise<void>
  stop(): Promise<void>
}

export function openStore([kind, where = '', token = '']: readonly string[]): Broker {
  return kind === 'redis' ? redisBroker({ url: where, token, subscribe: false }) : sqliteBroker({ path: where })
}

export function sqliteStore(): Store {
  const folder = mkdtempSync(join(tmpdir(), 'tq-bench-'))
  const path = join(folder, 'tq.db')
  return {
    name: 'sqlite',
    address: ['sqlite', path],
    async countCommands(run) {
      await run()
      return null
    },
    async empty() {
      for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true })
    },
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  }
}

export async function redisStore(): Promise<Store> {
  const servers = await startServers(0)
  return {
    name: 'redis',
    address: ['redis', servers.gatewayUrl, servers.token],
    countCommands: servers.countCommands,
    empty: servers.empty,
    stop: servers.stop,
  }
}
