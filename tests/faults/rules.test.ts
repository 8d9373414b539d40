/** The run through the bad network, with each rule of the protocol switched off in turn: it is known to see them. */
import { expect } from 'bun:test'
import { startStore, withRedisAtOnce } from '../adapters/brokers/redis/support.ts'
import type { FaultProxyOptions } from '../support/fault-proxy.ts'
import type { ScriptChange } from '../support/script-changes.ts'
import { runFleet } from './fleet.ts'
import type { Findings } from './history.ts'

/** Enough for the share of jobs that a missing rule harms. */
const FEWER_JOBS = 500
const TIME_LIMIT_MS = 120_000

interface Rule {
  readonly changes: readonly ScriptChange[]
  /** What the rule is there for, and more of it than a network usually has. */
  readonly shares: FaultProxyOptions['shares']
  readonly maxLateMs?: number
  readonly harm: keyof Findings
}

const RULES: Readonly<Record<string, Rule>> = {
  'the epoch fence': {
    changes: [['leaseEpoch(s) == epoch % 256 and h.epoch + 1 == epoch and ', '']],
    shares: { delay: 20 },
    harm: 'overtaken',
  },
  'the replay record': {
    changes: [['if seq == tonumber(lastSeq) then', 'if false then']],
    shares: { dropReply: 8 },
    harm: 'orphaned',
  },
  'the refusal of older seqs': {
    changes: [['if seq < tonumber(lastSeq) then', 'if false then']],
    shares: { late: 40 },
    maxLateMs: 3_000,
    harm: 'orphaned',
  },
  'the stub of a finished job': {
    changes: [[' and r.fin + STUB_MS <= now', '']],
    shares: { late: 30 },
    harm: 'settledTwice',
  },
}

for (const [at, [rule, { harm, ...given }]] of Object.entries(RULES).entries())
  withRedisAtOnce(
    `without ${rule} the same does harm`,
    async () => {
      const found = await runFleet({
        url: (await startStore()).url,
        jobs: FEWER_JOBS,
        seed: 10 + at,
        ...given,
        until: harm,
      })
      expect(found[harm]).toBeGreaterThan(0)
    },
    TIME_LIMIT_MS,
  )
