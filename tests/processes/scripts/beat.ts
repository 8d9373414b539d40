/** A beat in a process of its own: `bun beat.ts <database>`, or `bun beat.ts <url> <token>`. SIGTERM stops it. */
import { redisBroker } from 'tq-edge/brokers/redis'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { createBeat } from 'tq-edge/scheduler'
import { app } from './schedules.ts'

const [place, token] = process.argv.slice(2)
const broker = token ? redisBroker({ url: String(place), token }) : sqliteBroker({ path: String(place) })
const beat = createBeat({ app, broker, stampMs: 1 })
process.on('SIGTERM', () => beat.stop())
console.log('ready')
await beat.run()
await broker.close()
console.log('stopped')
process.exit(0)
