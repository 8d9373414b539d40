/** A worker in a process of its own: `bun worker.ts <database> <leaseMs> <concurrency>`. SIGTERM stops it without grace. */
import { createWorker } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { app, finish } from './tasks.ts'

const [path, leaseMs, concurrency] = process.argv.slice(2)
const broker = sqliteBroker({ path: String(path) })
const worker = createWorker({
  app,
  broker,
  leaseMs: Number(leaseMs),
  concurrency: Number(concurrency),
  onEvent(event) {
    if (event.kind === 'job.succeeded') console.log(`succeeded ${event.id}`)
    if (event.kind === 'broker.failed') console.log(`broker.failed ${event.reason}`)
  },
})
process.on('SIGTERM', () => worker.stop({ graceMs: 0 }))
process.stdin.on('data', () => finish.resolve(`by ${process.pid}`))
const running = worker.run()
console.log('ready')
const { succeeded, released } = await running
await broker.close()
console.log(`stopped ${JSON.stringify({ succeeded, released })}`)
process.exit(0)
