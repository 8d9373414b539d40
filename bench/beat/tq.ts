/**
 * A beat and a worker of tq over HTTP, in one process as `tq work --beat` has them: `tq.ts <url of the gateway> <token>`.
 *
 * @module
 */
import { redisBroker } from '../../adapters/brokers/redis/index.ts'
import { createBeat } from '../../scheduler/index.ts'
import { createWorker, defineTask } from '../../src/index.ts'
import { toApp } from './app.ts'
import { EVERY_MS, serveFiring } from './firing.ts'

const [, , url = '', token = ''] = process.argv
const CONCURRENCY = 100

let stop = async () => {}

serveFiring({
  async start(schedules, jitterMs, picked) {
    const task = defineTask({
      name: 'noop',
      run: (_, { tick }) => {
        if (!tick) throw new Error('expected the job of a tick, got another')
        picked(tick.schedule, tick.dueAtMs)
      },
    })
    const app = toApp({ schedules, everyMs: EVERY_MS, jitterMs, catchUp: 'latest' }, task)
    const broker = redisBroker({ url, token })
    const worker = createWorker({ app, broker, concurrency: CONCURRENCY })
    const beat = createBeat({ app, broker })
    const running = Promise.all([worker.run(), beat.run()])
    stop = async () => {
      beat.stop()
      worker.stop()
      await running
      await broker.close()
    }
  },
  stop: () => stop(),
})
