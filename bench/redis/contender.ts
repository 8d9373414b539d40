/**
 * What both sides of the comparison can do, each in processes of its own that talk in lines: `driver.ts` serves a contender,
 * `process.ts` calls it.
 *
 * @module
 */
export interface Contender {
  /** In batches of 500, each awaited. */
  enqueueBatches(count: number): Promise<void>
  /** All at once. */
  enqueueConcurrently(count: number): Promise<void>
  /** Each awaited before the next. */
  enqueueSequentially(count: number): Promise<void>
  /** Runs one worker until so many jobs have succeeded, their results kept, and answers how many milliseconds that took. */
  process(count: number, concurrency: number): Promise<number>
  /** Starts so many workers, which then wait; resolves once they do. */
  startWorkers(count: number, onPicked: () => void): Promise<void>
  stopWorkers(): Promise<void>
  /** One `enqueue` in bare commands of the same client and size: medians of samples that take turns. */
  compareToBare?(samples: number): Promise<number>
  close(): Promise<void>
}

/** What a driver can be asked for: how many milliseconds it took, or another number. */
export type Calls = {
  batched: [count: number]
  concurrent: [count: number]
  sequential: [count: number]
  process: [count: number, concurrency: number]
  /** Answers when, by the driver's clock, the job was about to be sent. */
  send: []
  start: [workers: number]
  stop: []
  clock: []
  /** Milliseconds of CPU spent within so many of idling. */
  idle: [forMs: number]
  /** 0 where there is nothing to compare with. */
  bare: [samples: number]
  close: []
}

/** Milliseconds since the epoch with fractions: what processes of one machine can compare, but for a skew to be measured. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now()
}
