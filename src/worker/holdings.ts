import { type Extension, MAX_BATCH_BYTES, toHinted } from '../broker.ts'
import { utf8Bytes } from '../job.ts'
import type { Run } from './run.ts'

const MAX_EXTENSIONS = 300
/** The rest of an exchange is for settlements. */
const MAX_EXTENSION_BYTES = MAX_BATCH_BYTES / 2
/** Progress goes with an exchange that is made anyway, or with one of its own after so long. */
const PROGRESS_MS = 500

/** The jobs a worker holds leases of: those that run, and the stock of those that were claimed and wait to be started. */
export interface Holdings {
  readonly size: number
  readonly running: number
  /** When an exchange is due for them at the latest: a lease to extend, progress to tell. */
  readonly nextExtensionMs: number
  get(id: string): Run | undefined
  all(): readonly Run[]
  /** The stock, oldest first. */
  stock(): readonly Run[]
  /** When the oldest of the stock was claimed. */
  readonly stockSinceMs: number
  /** Takes a run in, not started yet; one of the same job under an earlier lease is abandoned. */
  add(run: Run): void
  /** Takes the oldest of the stock to be started now. */
  startNext(): Run | undefined
  /** Forgets a run that has ended. */
  remove(run: Run): void
  /** Lets go of a run whose lease is lost: what its handler still does no longer counts. */
  abandon(run: Run): void
  /** Whether this lane holds a job that has lost a lease before: it may not take a second one. */
  holdsLost(lane: string): boolean
  /** What the next exchange has to extend: leases of which a third has passed or that were asked for, and those with new progress. */
  takeExtensions(nowMs: number): readonly Extension[]
  /** What these weigh in an exchange, with the records that the broker reads for them. */
  bytesOf(extensions: readonly Extension[]): number
  /** Takes back what an exchange has failed to deliver: progress, unless there is newer. */
  giveBack(extensions: readonly Extension[], nowMs: number): void
  progressed(nowMs: number): void
  /** Has the next exchange, at once, extend what may be to be cancelled: that job, as a hint has its id, or any. */
  ask(id: string | undefined, nowMs: number): void
}

export function createHoldings(leaseMs: number): Holdings {
  /** Kept in the order of claims and extensions, so the first one is the one due first. */
  const runs = new Map<string, Run>()
  const waiting = new Set<Run>()
  let progressAtMs = Number.POSITIVE_INFINITY

  function nextLeaseMs(): number {
    for (const run of runs.values()) return run.extendAtMs
    return Number.POSITIVE_INFINITY
  }

  function remove(run: Run): void {
    waiting.delete(run)
    if (runs.get(run.id) === run) runs.delete(run.id)
  }

  function abandon(run: Run): void {
    run.released = true
    remove(run)
    run.abort('lease lost')
  }

  function extend(run: Run, nowMs: number): Extension {
    const { id, job, freshProgress } = run
    run.freshProgress = undefined
    run.extendAtMs = nowMs + leaseMs / 3
    runs.delete(id)
    runs.set(id, run)
    return { id, epoch: job.epoch, ...(freshProgress === undefined ? {} : { progress: freshProgress }) }
  }

  function progressed(nowMs: number): void {
    progressAtMs = Math.min(progressAtMs, nowMs + PROGRESS_MS)
  }

  return {
    get size() {
      return runs.size
    },
    get running() {
      return runs.size - waiting.size
    },
    stock: () => [...waiting],
    get stockSinceMs() {
      for (const run of waiting) return run.startedAtMs
      return Number.POSITIVE_INFINITY
    },
    get nextExtensionMs() {
      return Math.min(nextLeaseMs(), progressAtMs)
    },
    get: (id) => runs.get(id),
    all: () => [...runs.values()],
    add(run) {
      const before = runs.get(run.id)
      if (before) abandon(before)
      runs.set(run.id, run)
      waiting.add(run)
    },
    startNext() {
      for (const run of waiting) {
        waiting.delete(run)
        return run
      }
      return undefined
    },
    remove,
    abandon,
    holdsLost(lane) {
      for (const run of runs.values()) if (run.lost > 0 && run.lane === lane) return true
      return false
    },
    takeExtensions(nowMs) {
      if (nextLeaseMs() > nowMs && progressAtMs === Number.POSITIVE_INFINITY) return []
      const due = [...runs.values()].filter((run) => run.extendAtMs <= nowMs || run.freshProgress !== undefined)
      let count = 0
      for (let bytes = 0; count < Math.min(due.length, MAX_EXTENSIONS); count++) {
        const run = due[count] as Run
        bytes += extensionBytes(run, run.freshProgress)
        if (count > 0 && bytes > MAX_EXTENSION_BYTES) break
      }
      progressAtMs = due.length > count ? nowMs : Number.POSITIVE_INFINITY
      return due.slice(0, count).map((run) => extend(run, nowMs))
    },
    bytesOf: (extensions) =>
      extensions.reduce((sum, { id, progress }) => sum + extensionBytes(runs.get(id), progress), 0),
    giveBack(extensions, nowMs) {
      for (const { id, epoch, progress } of extensions) {
        const run = runs.get(id)
        if (progress === undefined || run?.job.epoch !== epoch) continue
        run.freshProgress ??= progress
        progressed(nowMs)
      }
    },
    progressed,
    ask(id, nowMs) {
      for (const run of runs.values()) {
        if (waiting.has(run) || (id !== undefined && toHinted(run.id) !== id)) continue
        run.extendAtMs = nowMs
        progressAtMs = nowMs
      }
    },
  }
}

function extensionBytes(run: Run | undefined, progress: string | undefined): number {
  return (run?.recordBytes ?? 0) + utf8Bytes(progress ?? '')
}
