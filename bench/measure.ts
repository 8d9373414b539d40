import { createClient } from '../src/index.ts'
import { measureBacklogRatio } from './backlog.ts'
import { measurePickup } from './pickup.ts'
import { median, rounded } from './stats.ts'
import type { app, Figures, Size, Subject } from './subject.ts'
import { enqueueBatches, measureThroughput, type Throughput } from './throughput.ts'

export const FULL: Size = {
  rounds: 5,
  sequential: 3_000,
  concurrent: 10_000,
  batched: 100_000,
  processed: { '1': 5_000, '10': 20_000, '100': 60_000 },
  pickups: 300,
  stored: 100_000,
  backlog: 1_000_000,
  claims: 300,
  idleMs: 5_000,
}

/** For a look while working: too little for figures to rely on. */
export const QUICK: Size = {
  rounds: 2,
  sequential: 1_000,
  concurrent: 10_000,
  batched: 50_000,
  processed: { '1': 2_000, '10': 10_000, '100': 30_000 },
  pickups: 50,
  stored: 20_000,
  backlog: 100_000,
  claims: 50,
  idleMs: 1_000,
}

/** Takes every figure of a broker; `tell` hears what is being measured. */
export async function measure(subject: Subject, size: Size, tell: (step: string) => void): Promise<Figures> {
  const rounds: Throughput[] = []
  for (let round = 0; round < size.rounds; round++) {
    tell(`throughput, round ${round + 1} of ${size.rounds}`)
    const store = await subject.create()
    rounds.push(await measureThroughput(store, size, round))
    await store.weighAndRemove()
  }
  tell(`pickup, ${size.pickups} samples`)
  const { p50, p99, idleCpuMsPerS } = await measurePickup(subject, size)
  tell('bytes per job')
  const bytesPerJob = await measureBytesPerJob(subject, size)
  tell(`a backlog of ${size.backlog}`)
  const backlogRatio = await measureBacklogRatio(subject, size)

  const of = (figure: keyof Throughput) => Math.round(median(rounds.map((round) => round[figure])))
  return {
    broker: subject.broker,
    enqueueBatchPerS: of('batched'),
    enqueueConcurrentPerS: of('concurrent'),
    enqueueSequentialPerS: of('sequential'),
    processPerS: { '1': of('1'), '10': of('10'), '100': of('100') },
    pickupMs: { p50: rounded(p50), p99: rounded(p99) },
    bytesPerJob: Math.round(bytesPerJob),
    backlogRatio: rounded(backlogRatio),
    idleCpuMsPerS: rounded(idleCpuMsPerS),
  }
}

async function measureBytesPerJob(subject: Subject, { stored }: Size): Promise<number> {
  const store = await subject.create()
  await enqueueBatches(createClient<typeof app>({ broker: store.broker }), stored)
  return (await store.weighAndRemove()) / stored
}
