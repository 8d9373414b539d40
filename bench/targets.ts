import type { Figures } from './subject.ts'

export interface Target {
  readonly figure: string
  readonly got: number
  readonly unit: string
  /** What has to be reached; null for a figure that is only told. */
  readonly target: number | null
  readonly met: boolean
}

/** Every figure beside what the embedded broker has to reach on 2 cores. */
export function compare(figures: Figures): readonly Target[] {
  const { processPerS, pickupMs } = figures
  return [
    atLeast('enqueue in batches of 500', figures.enqueueBatchPerS, 'jobs/s', 200_000),
    told('enqueue, 10,000 at once', figures.enqueueConcurrentPerS, 'jobs/s'),
    told('enqueue one by one', figures.enqueueSequentialPerS, 'jobs/s'),
    told('process at concurrency 1', processPerS['1'], 'jobs/s'),
    told('process at concurrency 10', processPerS['10'], 'jobs/s'),
    atLeast('process at concurrency 100', processPerS['100'], 'jobs/s', 60_000),
    atMost('pickup p50', pickupMs.p50, 'ms', 2),
    atMost('pickup p99', pickupMs.p99, 'ms', 10),
    atMost('stored per waiting job', figures.bytesPerJob, 'bytes', 350),
    atMost('claim from 1,000,000 against 1,000', figures.backlogRatio, 'times', 1.3),
    told('idle worker', figures.idleCpuMsPerS, 'CPU ms/s'),
  ]
}

export function atLeast(figure: string, got: number, unit: string, target: number): Target {
  return { figure, got, unit, target, met: got >= target }
}

export function atMost(figure: string, got: number, unit: string, target: number): Target {
  return { figure, got, unit, target, met: got <= target }
}

export function told(figure: string, got: number, unit: string): Target {
  return { figure, got, unit, target: null, met: true }
}
