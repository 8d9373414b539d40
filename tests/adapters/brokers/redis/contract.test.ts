/** The broker on Redis over HTTP passes the contract suite, by the same lines as SQLite. */
import { afterAll } from 'bun:test'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import { testBroker } from '../../../contract/bun.ts'
import { seededRandom } from '../../../support/random.ts'
import { startRedisOverHttp } from '../../../support/redis-http.ts'

const redis = await startRedisOverHttp()
afterAll(() => redis.stop())

let stores = 0

testBroker(
  'redis over http',
  (clock) => {
    const prefix = `contract-${stores++}`
    const random = seededRandom(1)
    return { open: () => redisBroker({ url: redis.url, token: redis.token, prefix, clock, random, ownTime: true }) }
  },
  {
    skip: {
      'a live lease is not taken when the wall clock steps': "the server's clock counts, and nobody's here",
      'a dead worker’s job comes back although the wall clock stepped': "the server's clock counts, and nobody's here",
      'list keeps its place while jobs are added and finish': 'a place in a list moves with what is before it',
      'a lane whose waiting time is over is not named: the hint goes to one that waits':
        'an enqueue asks for no time; the second lane that it names makes up for one that is gone',
    },
  },
)
