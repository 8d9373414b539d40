/** The contract suite on a real Redis Cluster: every key of a broker shares one hash tag, so every step stays on one node. */
import { afterAll, expect, test } from 'bun:test'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import { testBroker } from '../../../contract/bun.ts'
import { job } from '../../../contract/verbs.ts'
import { seededRandom } from '../../../support/random.ts'
import { startClusterOverHttp } from '../../../support/redis-cluster.ts'
import { REDIS_SKIPS } from './skips.ts'

const cluster = await startClusterOverHttp()

if (cluster) {
  const { url, token } = cluster
  afterAll(() => cluster.stop())
  let stores = 0
  testBroker(
    'redis cluster of three nodes',
    (clock, bounds) => {
      const prefix = `cluster-${stores++}`
      const random = seededRandom(1)
      return { open: () => redisBroker({ url, token, prefix, clock, random, ownTime: true, ...bounds }) }
    },
    { skip: REDIS_SKIPS },
  )

  test('brokers of different prefixes spread over the nodes', async () => {
    for (let at = 0; at < 20; at++) await redisBroker({ url, token, prefix: `spread-${at}` }).enqueue([job('a')])
    expect((await cluster.sizes()).filter((keys) => keys > 0)).toHaveLength(3)
  })
} else {
  test.skip('redis cluster of three nodes (no redis-server on the PATH)', () => {})
}
