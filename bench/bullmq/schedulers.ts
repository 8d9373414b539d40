/**
 * Job schedulers of BullMQ over TCP: `schedulers.ts <host> <port>`, on Node, where it is fastest.
 *
 * Its worker schedules the next job of a scheduler when it takes up the last one, so the worker is what fires.
 *
 * @module
 */

import { EVERY_MS, phaseOf, serveFiring } from '../beat/firing.ts'
import { nameSchedules } from '../beat/names.ts'

/** What is used of the package; it is installed in this folder only, so the type check has to do without it. */
interface BullMq {
  Queue: new (
    name: string,
    options: object,
  ) => {
    upsertJobScheduler(id: string, repeat: object, template: object): Promise<unknown>
    close(): Promise<void>
  }
  Worker: new (name: string, run: (job: { id: string }) => Promise<unknown>, options: object) => BullMqWorker
}

interface BullMqWorker {
  on(event: 'error' | 'failed', listener: (what: unknown) => void): void
  run(): Promise<void>
  waitUntilReady(): Promise<unknown>
  close(): Promise<void>
}

const PACKAGE: string = 'bullmq'
const { Queue, Worker } = (await import(PACKAGE)) as BullMq

const [, , host = '', port = ''] = process.argv
const connection = { host, port: Number(port), maxRetriesPerRequest: null }
const QUEUE = 'default'
/** What it is fastest with. */
const CONCURRENCY = 100
/** By then all are stored; the first of them are due at the same second. */
const STORED_BY_MS = 3_000
const JOB_ID = /^repeat:(.*):(\d+)$/

const queue = new Queue(QUEUE, { connection })
let worker: BullMqWorker | undefined

serveFiring({
  async start(schedules, jitterMs, picked) {
    const firstMs = Math.ceil((Date.now() + STORED_BY_MS) / EVERY_MS) * EVERY_MS
    await Promise.all(
      nameSchedules(schedules).map((name) =>
        queue.upsertJobScheduler(
          name,
          { every: EVERY_MS, startDate: firstMs + phaseOf(name, jitterMs) },
          { name: 'noop', data: {} },
        ),
      ),
    )
    const run = async ({ id }: { id: string }) => {
      const [, name = '', dueAtMs] = JOB_ID.exec(id) ?? []
      picked(name, Number(dueAtMs))
    }
    worker = new Worker(QUEUE, run, { connection, concurrency: CONCURRENCY, autorun: false })
    const fail = (what: unknown) => {
      console.error(what)
      process.exit(1)
    }
    worker.on('error', fail)
    worker.on('failed', fail)
    await worker.waitUntilReady()
    void worker.run().catch(fail)
  },
  async stop() {
    await worker?.close()
    await queue.close()
  },
})
