/** Real sockets, time that runs faster: faults between the client and the gateway, and workers that die. No duration is asserted. */
import { expect } from 'bun:test'
import { startGatewayFor, startStore, withRedis } from '../adapters/brokers/redis/support.ts'
import { runFleet, SOUND } from './fleet.ts'

const JOBS = 10_000
/** Quarter of a minute, in the time of the fleet. */
const HEARTBEAT_MS = 1_000
const TIME_LIMIT_MS = 120_000

withRedis(
  'jobs through a network with every fault, workers frozen on the way: none lost, none settled twice, none left over',
  async () => {
    const store = await startStore()
    const url = await startGatewayFor(store.redisUrl(), { heartbeatMs: HEARTBEAT_MS })
    const report = await runFleet({ url, jobs: JOBS, seed: 1 })
    expect(report).toMatchObject({ ...SOUND, ghosts: 3 })
    for (const [fault, times] of Object.entries(report.faults)) expect([fault, times > 0]).toEqual([fault, true])
    expect(Object.values(report.streamFaults).some((times) => times > 0)).toBe(true)
    expect(report.pastLease).toBeGreaterThan(0)
    expect(report.pastReplay).toBeGreaterThan(0)
  },
  TIME_LIMIT_MS,
)
