/**
 * tq over HTTP: `tq.ts <url of the gateway> <token>`.
 *
 * @module
 */
import { Redis } from '@upstash/redis/cloudflare'
import { redisBroker } from '../../adapters/brokers/redis/index.ts'
import type { Broker } from '../../src/broker.ts'
import { createClient, createWorker, defineApp, defineTask } from '../../src/index.ts'
import { median } from '../stats.ts'
import { BATCH_JOBS, PAYLOAD } from '../subject.ts'
import { serve } from './driver.ts'

const [, , url = '', token = ''] = process.argv
const open = () => redisBroker({ url, token })

/** About as many bytes as an enqueue's request has beside its payload. */
const ENVELOPE = 'x'.repeat(150)

let onPicked = () => {}
const noop = defineTask({
  name: 'noop',
  run: async () => {
    onPicked()
    return { ok: true }
  },
})
const app = defineApp({ tasks: [noop] })

const broker = open()
const tq = createClient<typeof app>({ broker })

interface Waiting {
  readonly broker: Broker
  stop(): Promise<unknown>
}
let waiting: readonly Waiting[] = []

/** Resolves once the worker has found nothing and its lane has been registered as waiting. */
async function startWaiting(): Promise<Waiting> {
  const own = open()
  let isWaiting = () => {}
  const waits = new Promise<void>((resolve) => {
    isWaiting = resolve
  })
  const exchange: Broker['exchange'] = async (request) => {
    const reply = await own.exchange(request)
    if (request.waitMs > 0 && reply.jobs.length === 0) isWaiting()
    return reply
  }
  const worker = createWorker({ app, broker: { ...own, exchange } })
  const running = worker.run()
  await waits
  return {
    broker: own,
    stop: async () => {
      worker.stop()
      await running
      await own.close()
    },
  }
}

serve({
  async enqueueBatches(count) {
    for (let left = count; left > 0; left -= BATCH_JOBS)
      await tq.enqueueMany(
        Array.from({ length: Math.min(left, BATCH_JOBS) }, () => ({ task: 'noop' as const, input: PAYLOAD })),
      )
  },
  async enqueueConcurrently(count) {
    await Promise.all(Array.from({ length: count }, () => tq.enqueue('noop', PAYLOAD)))
  },
  async enqueueSequentially(count) {
    for (let at = 0; at < count; at++) await tq.enqueue('noop', PAYLOAD)
  },
  async process(count, concurrency) {
    const startedMs = performance.now()
    const { succeeded } = await createWorker({ app, broker, concurrency, burst: true, maxJobs: count }).run()
    if (succeeded !== count) throw new Error(`expected ${count} jobs to succeed, got ${succeeded}`)
    return performance.now() - startedMs
  },
  async startWorkers(count, picked) {
    onPicked = picked
    waiting = await Promise.all(Array.from({ length: count }, startWaiting))
  },
  async stopWorkers() {
    onPicked = () => {}
    await Promise.all(waiting.map((one) => one.stop()))
    waiting = []
  },
  async compareToBare(samples) {
    const bare = new Redis({ url, token, retry: { retries: 0 }, enableTelemetry: false })
    const value = ENVELOPE + JSON.stringify(PAYLOAD)
    const bareMs: number[] = []
    const enqueueMs: number[] = []
    for (let sample = 0; sample < samples; sample++) {
      const startedMs = performance.now()
      await bare.set('{tq}:bench', value)
      const betweenMs = performance.now()
      await tq.enqueue('noop', PAYLOAD)
      bareMs.push(betweenMs - startedMs)
      enqueueMs.push(performance.now() - betweenMs)
    }
    return median(enqueueMs) / median(bareMs)
  },
  close: () => broker.close(),
})
