/** The broker on Redis over HTTP passes the contract suite, by the same lines as SQLite. */
import { afterAll } from 'bun:test'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import { testBroker } from '../../../contract/bun.ts'
import { seededRandom } from '../../../support/random.ts'
import { startRedisOverHttp } from '../../../support/redis-http.ts'
import { REDIS_SKIPS } from './skips.ts'

const redis = await startRedisOverHttp()
afterAll(() => redis.stop())

let stores = 0

testBroker(
  'redis over http',
  (clock, bounds) => {
    const prefix = `contract-${stores++}`
    const random = seededRandom(1)
    const { url, token } = redis
    return { open: () => redisBroker({ url, token, prefix, clock, random, ownTime: true, ...bounds }) }
  },
  {
    skip: REDIS_SKIPS,
  },
)
