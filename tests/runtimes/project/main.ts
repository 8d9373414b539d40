/** The conformance cases in a process of Node, Bun or Deno, on the broker that is named; prints the outcomes as JSON. */
import { redisBroker } from 'tq-edge/brokers/redis'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { conformance } from './conformance.ts'

const { UPSTASH_REDIS_REST_URL: url = '', UPSTASH_REDIS_REST_TOKEN: token = '', PAGES_URL: pagesUrl = '' } = process.env
const [name, prefix = 'tq'] = process.argv.slice(2)
const broker = name === 'redis' ? redisBroker({ url, token, prefix }) : sqliteBroker({ path: `.tq/${prefix}.db` })
const outcomes = await conformance({ broker, pagesUrl })
await broker.close()
console.log(JSON.stringify(outcomes))
