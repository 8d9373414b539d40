/** Real sockets, real time: faults between the client and the gateway, and workers that die. No duration is asserted. */
import { expect } from 'bun:test'
import { startStore, withRedis } from '../adapters/brokers/redis/support.ts'
import { runFleet, SOUND } from './fleet.ts'

const JOBS = 10_000
const TIME_LIMIT_MS = 120_000

withRedis(
  'jobs through a network with every fault, workers frozen on the way: none lost, none settled twice, none left over',
  async () => {
    const { faults, ghosts, ...found } = await runFleet({ url: (await startStore()).url, jobs: JOBS, seed: 1 })
    expect(found).toEqual(SOUND)
    expect(ghosts).toBe(3)
    for (const [fault, times] of Object.entries(faults)) expect([fault, times > 0]).toEqual([fault, true])
  },
  TIME_LIMIT_MS,
)
