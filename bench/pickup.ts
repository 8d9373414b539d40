import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createClient } from '../src/index.ts'
import { median, quantile } from './stats.ts'
import type { Size, Subject } from './subject.ts'

/** Milliseconds since the epoch with fractions: what two processes of one machine can compare, but for a skew to be measured. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now()
}

const WORKER = fileURLToPath(new URL('./pickup-worker.ts', import.meta.url))
const CLOCK_READINGS = 50
/** Between two samples: long enough for the second look that follows a hint, and never in step with anything. */
const PAUSE_FROM_MS = 25
const PAUSE_TO_MS = 40
/** What a runtime still does after work (garbage, timers of its own) is not the idle worker's. */
const SETTLED_MS = 1_000

export interface Pickup {
  readonly p50: number
  readonly p99: number
  readonly skewMs: number
  readonly idleCpuMsPerS: number
}

/** From just before `enqueue` in this process to the start of the handler in another one that had been idle. */
export async function measurePickup(subject: Subject, { pickups, idleMs }: Size): Promise<Pickup> {
  const store = await subject.create()
  const worker = startWorker(subject.broker, store.address)
  const tq = createClient({ broker: store.broker })
  await worker.next('ready')
  const skewMs = await measureSkew(worker)
  const latenciesMs: number[] = []
  for (let sample = 0; sample < pickups; sample++) {
    await pause(PAUSE_FROM_MS + Math.random() * (PAUSE_TO_MS - PAUSE_FROM_MS))
    const ready = worker.next('ready')
    const picked = worker.next('picked')
    const sentMs = wallMs()
    await tq.enqueue('pickup' as never)
    latenciesMs.push((await picked) - skewMs - sentMs)
    await ready
  }
  await pause(SETTLED_MS)
  const idleCpuMsPerS = await measureIdleCpu(worker, idleMs)
  await worker.stop()
  await store.weighAndRemove()
  return { p50: median(latenciesMs), p99: quantile(latenciesMs, 0.99), skewMs, idleCpuMsPerS }
}

interface WorkerProcess {
  send(line: string): void
  /** The number of the next line that starts with this word. */
  next(word: string): Promise<number>
  stop(): Promise<void>
}

function startWorker(broker: string, address: string): WorkerProcess {
  const child = spawn(process.execPath, [WORKER, broker, address], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const awaited = new Map<string, (value: number) => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [word = '', value] = line.split(' ')
    const resolve = awaited.get(word)
    awaited.delete(word)
    resolve?.(Number(value))
  })
  return {
    send: (line) => void child.stdin.write(`${line}\n`),
    next: (word) =>
      new Promise((resolve, reject) => {
        awaited.set(word, resolve)
        void exited.then(() => reject(new Error(`expected "${word}" from the worker process, got its end`)))
      }),
    stop() {
      child.stdin.write('stop\n')
      return exited
    },
  }
}

/** How far the worker's clock is ahead, by the reading that came back fastest. */
async function measureSkew(worker: WorkerProcess): Promise<number> {
  let best = { tripMs: Number.POSITIVE_INFINITY, skewMs: 0 }
  for (let reading = 0; reading < CLOCK_READINGS; reading++) {
    const answer = worker.next('clock')
    const sentMs = wallMs()
    worker.send('clock')
    const theirsMs = await answer
    const tripMs = wallMs() - sentMs
    if (tripMs < best.tripMs) best = { tripMs, skewMs: theirsMs - (sentMs + tripMs / 2) }
  }
  return best.skewMs
}

async function measureIdleCpu(worker: WorkerProcess, forMs: number): Promise<number> {
  const spent = worker.next('idle')
  worker.send(`idle ${forMs}`)
  return ((await spent) / forMs) * 1_000
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
