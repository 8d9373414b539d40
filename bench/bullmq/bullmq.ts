/**
 * BullMQ over TCP: `bullmq.ts <host> <port>`, on Node, where it is fastest.
 *
 * @module
 */
import { serve } from '../redis/driver.ts'
import { BATCH_JOBS, PAYLOAD } from '../subject.ts'

/** What is used of the package; it is installed in this folder only, so the type check has to do without it. */
interface BullMq {
  Queue: new (
    name: string,
    options: object,
  ) => {
    add(name: string, data: unknown): Promise<unknown>
    addBulk(jobs: readonly { name: string; data: unknown }[]): Promise<unknown>
    waitUntilReady(): Promise<unknown>
    close(): Promise<void>
  }
  Worker: new (name: string, run: () => Promise<unknown>, options: object) => BullMqWorker
}

interface BullMqWorker {
  on(event: 'completed' | 'error', listener: (what: unknown) => void): void
  run(): Promise<void>
  waitUntilReady(): Promise<unknown>
  close(): Promise<void>
}

const PACKAGE: string = 'bullmq'
const { Queue, Worker } = (await import(PACKAGE)) as BullMq

const [, , host = '', port = ''] = process.argv
const connection = { host, port: Number(port), maxRetriesPerRequest: null }
const QUEUE = 'default'
const queue = new Queue(QUEUE, { connection })
await queue.waitUntilReady()

let waiting: readonly BullMqWorker[] = []

async function startWaiting(picked: () => void): Promise<BullMqWorker> {
  const run = async () => {
    picked()
    return { ok: true }
  }
  const worker = new Worker(QUEUE, run, { connection, autorun: false })
  await worker.waitUntilReady()
  void worker.run()
  return worker
}

serve({
  async enqueueBatches(count) {
    for (let left = count; left > 0; left -= BATCH_JOBS)
      await queue.addBulk(Array.from({ length: Math.min(left, BATCH_JOBS) }, () => ({ name: 'noop', data: PAYLOAD })))
  },
  async enqueueConcurrently(count) {
    await Promise.all(Array.from({ length: count }, () => queue.add('noop', PAYLOAD)))
  },
  async enqueueSequentially(count) {
    for (let at = 0; at < count; at++) await queue.add('noop', PAYLOAD)
  },
  async process(count, concurrency) {
    const worker = new Worker(QUEUE, async () => ({ ok: true }), { connection, concurrency, autorun: false })
    await worker.waitUntilReady()
    const startedMs = performance.now()
    const doneMs = await new Promise<number>((resolve, reject) => {
      let left = count
      worker.on('completed', () => --left === 0 && resolve(performance.now()))
      worker.on('error', reject)
      worker.run().catch(reject)
    })
    await worker.close()
    return doneMs - startedMs
  },
  async startWorkers(count, picked) {
    waiting = await Promise.all(Array.from({ length: count }, () => startWaiting(picked)))
    // It does not say when it waits.
    await new Promise((resolve) => setTimeout(resolve, 500))
  },
  async stopWorkers() {
    await Promise.all(waiting.map((worker) => worker.close()))
    waiting = []
  },
  close: () => queue.close(),
})
