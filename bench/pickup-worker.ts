/**
 * The worker of the pickup figures, in a process of its own: `pickup-worker.ts <broker> <address of the store>`.
 *
 * It talks in lines. In: `clock`, `idle <ms>`, `stop`. Out: `ready` (waits for jobs), `clock <ms>`, `picked <ms>` (when a
 * handler started), `idle <CPU ms>`.
 *
 * @module
 */
import { createInterface } from 'node:readline'
import type { Broker } from '../src/broker.ts'
import { createWorker, defineApp, defineTask } from '../src/index.ts'
import { wallMs } from './pickup.ts'
import { subjectOf } from './subjects.ts'

const say = (line: string) => process.stdout.write(`${line}\n`)

const pickup = defineTask({ name: 'pickup', run: () => void say(`picked ${wallMs()}`) })

/** Says `ready` whenever an exchange has found nothing and its lane has been registered as waiting. */
function confirming(broker: Broker): Broker {
  return {
    ...broker,
    async exchange(request) {
      const reply = await broker.exchange(request)
      if (request.waitMs > 0 && reply.jobs.length === 0) setImmediate(say, 'ready')
      return reply
    },
  }
}

const [, , name = '', address = ''] = process.argv
const broker = subjectOf(name).open(address)
const worker = createWorker({ app: defineApp({ tasks: [pickup] }), broker: confirming(broker) })
const running = worker.run()

function saySpentCpu(forMs: number): void {
  const before = process.cpuUsage()
  setTimeout(() => {
    const { user, system } = process.cpuUsage(before)
    say(`idle ${(user + system) / 1_000}`)
  }, forMs)
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [word, value] = line.split(' ')
  if (word === 'clock') say(`clock ${wallMs()}`)
  if (word === 'idle') saySpentCpu(Number(value))
  if (word === 'stop') worker.stop()
})

await running
await broker.close()
process.stdin.destroy()
