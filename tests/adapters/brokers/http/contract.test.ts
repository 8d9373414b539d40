/** A tq server passes the contract suite as what is behind it does, but for hints. */
import { afterAll } from 'bun:test'
import { httpBroker } from '../../../../adapters/brokers/http/index.ts'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import type { Broker } from '../../../../src/broker.ts'
import type { Clock } from '../../../../src/clock.ts'
import { brokerRoutes, createApi } from '../../../../src/http/index.ts'
import { testBroker } from '../../../contract/bun.ts'
import { sqliteInMemory } from '../../../contract/sqlite.ts'
import type { Store } from '../../../contract/subject.ts'
import { seededRandom } from '../../../support/random.ts'
import { startRedisOverHttp } from '../../../support/redis-http.ts'
import { REDIS_SKIPS } from '../redis/skips.ts'

const TOKEN = 'a-token-for-tests'
const options = { withoutWake: 'nobody hints over plain HTTP' }

/** A server on a broker, that any number of brokers are opened on. */
function serve(broker: Broker, clock: Clock): Store {
  const api = createApi({ broker, tokens: [TOKEN], brokerRoutes, clock, random: seededRandom(2) })
  return {
    open: () => httpBroker({ url: 'https://tq.example', token: TOKEN, fetch: api.request }),
    remove: () => broker.close(),
  }
}

testBroker('a server on sqlite', (clock, bounds) => serve(sqliteInMemory(clock, bounds) as Broker, clock), options)

const redis = await startRedisOverHttp()
afterAll(() => redis.stop())
let stores = 0

testBroker(
  'a server on redis',
  (clock, bounds) => {
    const { url, token } = redis
    const prefix = `contract-${stores++}`
    const random = seededRandom(1)
    return serve(redisBroker({ url, token, prefix, clock, random, ownTime: true, subscribe: false, ...bounds }), clock)
  },
  { ...options, skip: REDIS_SKIPS },
)
