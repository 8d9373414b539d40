import { redisBroker } from '../../adapters/brokers/redis/index.ts'
import type { Broker, ExchangeRequest, Settlement } from '../../src/broker.ts'
import { sleep, systemClock } from '../../src/clock.ts'
import { createClient, createWorker, defineApp, defineTask, fixed, type Worker } from '../../src/index.ts'
import { sendTo, TOKEN } from '../adapters/brokers/redis/support.ts'
import { AHEAD, createFastClock } from '../support/fast-clock.ts'
import { FAULT_SHARES, type FaultProxy, type FaultProxyOptions, startFaultProxy } from '../support/fault-proxy.ts'
import { seededRandom } from '../support/random.ts'
import { changeScripts, type ScriptChange } from '../support/script-changes.ts'
import { STREAM_FAULT_SHARES, type StreamFaults } from '../support/stream-faults.ts'
import { type Answers, type Findings, HISTORY, judge, RECORD_HISTORY, recordAnswer } from './history.ts'

export interface FleetOptions {
  /** Of the gateway. */
  readonly url: string
  readonly jobs: number
  readonly seed: number
  /** The faults of the network. Default all of them. */
  readonly shares?: FaultProxyOptions['shares']
  /** Default a minute: leases have ended by then, and what is remembered of a call has not. */
  readonly maxLateMs?: number
  /** Ends the run before all is done, once it has found this. */
  readonly until?: keyof Findings
  /** Rules switched off. */
  readonly changes?: readonly ScriptChange[]
}

export interface FleetReport extends Findings {
  /** Jobs that are still queued, scheduled or active. */
  readonly leftOver: number
  readonly faults: FaultProxy['faults']
  readonly streamFaults: StreamFaults['faults']
  /** Copies that came when the lease of their sender's jobs would have ended, and when nobody remembered their calls any more. */
  readonly pastLease: number
  readonly pastReplay: number
  /** Workers that were frozen in the middle and spoke once more after their leases had been taken over. */
  readonly ghosts: number
}

/** What a run finds while every rule holds. */
export const SOUND = { lost: 0, settledTwice: 0, leftOver: 0, overtaken: 0, orphaned: 0 }

/** Everybody's time: a minute takes four seconds, a lease two. */
const SPEED = 15
const MINUTE_MS = 60_000
const WORKERS = 4
const LEASE_MS = 30_000
const BATCH = 20
const PRODUCERS = 4
/** A worker is frozen each time so many jobs have begun, and another one comes in its place. */
const FREEZES = [0.2, 0.5, 0.8]

/** A worker that can be frozen: it is not answered any more; what it says then arrives when a job that it held runs elsewhere. */
interface Mortal {
  readonly worker: Worker
  readonly done: Promise<unknown>
  freeze(): void
  thawFor(id: string): void
}

/**
 * Runs jobs through a bad network with a fleet of workers, some of which are frozen on the way, until nothing moves any
 * more; then lets in every copy that is still on its way, and works off what that brings; at last those that were held back
 * for most of an hour, when leases and replay records are gone and only the stubs of the jobs are left.
 */
export async function runFleet({
  url,
  jobs,
  seed,
  shares = FAULT_SHARES,
  maxLateMs = MINUTE_MS,
  changes = [],
  until,
}: FleetOptions): Promise<FleetReport> {
  const ids = Array.from({ length: jobs }, (_, at) => `job-${at}`)
  const random = seededRandom(seed)
  const prefix = `fleet-${seed}`
  const clock = createFastClock(SPEED)
  const scripts = changeScripts([...RECORD_HISTORY, ...clock.changes, ...changes])
  const proxy = await startFaultProxy({
    target: url,
    random,
    maxLateMs,
    rewrite: scripts.rewrite,
    shares,
    streamShares: STREAM_FAULT_SHARES,
    clock,
  })
  const open = (through: string) =>
    redisBroker({ url: through, token: TOKEN, prefix, callTimeoutMs: 500, random, clock })
  const answers: Answers = { exchanges: new Map(), claims: new Set() }
  const fleet: Mortal[] = []
  let begun = 0
  let ghosts = 0

  const work = defineTask({
    name: 'work',
    keepResultMs: 1,
    retry: { maxAttempts: 10, backoff: fixed({ delayMs: 100 }) },
    async run(input, job) {
      begun++
      if (FREEZES.some((share) => begun === Math.floor(share * jobs))) freezeOne()
      if (job.lost > 0) {
        for (const mortal of fleet) mortal.thawFor(job.id)
        await sleep(clock, LEASE_MS / 20, job.signal)
      } else if (Number(input) % 10 === 0) await sleep(clock, random() * 300)
      if (Number(input) % 20 === 1 && job.attempt === 1) throw new Error('once')
      return input
    },
  })
  const app = defineApp({ tasks: [work] })

  function startOne(): void {
    fleet.push(startMortal(open(proxy.url)))
  }

  function freezeOne(): void {
    fleet[ghosts++]?.freeze()
    startOne()
  }

  function startMortal(broker: Broker): Mortal {
    let isFrozen = false
    let said: ExchangeRequest[] = []
    const exchange = async (request: ExchangeRequest) => {
      if (isFrozen) {
        said.push(request)
        return new Promise<never>(() => {})
      }
      const reply = await broker.exchange(request)
      recordAnswer(answers, request, reply)
      return reply
    }
    const worker = createWorker({
      app,
      broker: { ...broker, exchange },
      concurrency: 25,
      leaseMs: LEASE_MS,
      random,
      clock,
    })
    return {
      worker,
      done: worker.run(),
      freeze() {
        isFrozen = true
      },
      thawFor(id) {
        const word = said.flatMap(({ settle }) => settle).find((settlement) => settlement.id === id)
        said = said.map((request) => ({ ...request, settle: request.settle.filter((one) => one !== word) }))
        if (word) broker.exchange(lastWord(word)).catch(() => {})
      },
    }
  }

  const direct = open(url)
  const waiting = async () => {
    const { queues } = await direct.stats()
    return queues.reduce(
      (sum, { counts: { queued = 0, active = 0, scheduled = 0 } }) => sum + queued + active + scheduled,
      0,
    )
  }
  const findings = async () =>
    judge(ids, (await sendTo(url, ['LRANGE', `{${prefix}}:${HISTORY}`, 0, -1])) as string[], answers)
  const isFound = async () => until !== undefined && (await findings())[until] > 0
  const untilStill = async () => {
    while ((await waiting()) > 0 && !(await isFound())) await sleep(systemClock, 50)
  }

  /** Less than a stub is kept for, more than anything else. Redis's own expiry does not know of our time. */
  const passMostOfAnHour = async () => {
    await sendTo(url, ['SET', `{${prefix}}:${AHEAD}`, 50 * MINUTE_MS])
    const replays = (await sendTo(url, ['KEYS', `{${prefix}}:w:*`])) as string[]
    if (replays.length > 0) await sendTo(url, ['DEL', ...replays])
  }

  for (let at = 0; at < WORKERS; at++) startOne()
  await enqueueAll(open(proxy.url), ids)
  await untilStill()
  proxy.calm()
  await proxy.deliverLate()
  await untilStill()
  await passMostOfAnHour()
  const pastReplay = await proxy.deliverHeld()
  await untilStill()
  for (const { worker } of fleet) worker.stop({ graceMs: LEASE_MS / 2 })
  await Promise.all(fleet.slice(ghosts).map(({ done }) => done))

  const missed = scripts.missed()
  if (missed.length > 0)
    throw new Error(`expected the scripts to contain ${JSON.stringify(missed)}: follow their new text`)
  const leftOver = await waiting()
  const found = await findings()
  const { faults, streams } = proxy
  const pastLease = proxy.lateByMs.filter((ms) => ms > LEASE_MS).length
  await direct.close()
  await proxy.stop()
  return { ...found, leftOver, faults, streamFaults: streams.faults, pastLease, pastReplay, ghosts }
}

/** Any lane may settle any job: one of its own for each, so that nothing but the fence can refuse it. */
function lastWord(settlement: Settlement): ExchangeRequest {
  const lane = `ghost.${settlement.id}.${settlement.epoch}`
  const nothingElse = { queues: [], want: 0, takeLost: false, leaseMs: LEASE_MS, extend: [], waitMs: 0 }
  return { lane, seq: 1, settle: [settlement], ...nothingElse }
}

/** Several producers at once, each a batch at a time, while the workers are at it already. */
async function enqueueAll(broker: Broker, ids: readonly string[]): Promise<void> {
  const client = createClient({ broker })
  const batches: string[][] = []
  for (let from = 0; from < ids.length; from += BATCH) batches.push(ids.slice(from, from + BATCH))
  const produce = async () => {
    for (let batch = batches.shift(); batch; batch = batches.shift())
      await client.enqueueMany(batch.map((id) => ({ task: 'work', input: Number(id.slice(4)), options: { id } })))
  }
  await Promise.all(Array.from({ length: PRODUCERS }, produce))
  await broker.close()
}
