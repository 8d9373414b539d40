import type { RedisFigures } from './figures.ts'

/** A figure of both sides, their ratio, and what that has to be; null for one that is only told. */
export interface RatioTarget {
  readonly figure: string
  readonly tq: number
  readonly bullmq: number
  readonly ratio: number
  readonly target: string | null
  readonly met: boolean
}

export interface Measured {
  readonly tq: RedisFigures
  readonly tqOnNode: RedisFigures | undefined
  readonly bullmq: RedisFigures
  readonly roundTripMs: number
}

/** Every figure beside what tq has to reach against BullMQ in the same run on 2 cores. */
export function compareRatios({ tq, tqOnNode, bullmq, roundTripMs }: Measured): readonly RatioTarget[] {
  const rows: RatioTarget[] = []
  const row = (figure: string, of: (figures: RedisFigures) => number, target: Limit = null, side = tq) =>
    rows.push(compared(figure, of(side), of(bullmq), target))
  const near = roundTripMs === 0
  row('enqueue in batches of 500, jobs/s', (of) => of.enqueueBatchPerS, near ? atLeast(4.5) : null)
  row('enqueue, 10,000 at once, jobs/s', (of) => of.enqueueConcurrentPerS, near ? atLeast(3) : null)
  row('enqueue one by one, jobs/s', (of) => of.enqueueSequentialPerS)
  row('process at concurrency 1, jobs/s', (of) => of.processPerS['1'])
  row('process at concurrency 10, jobs/s', (of) => of.processPerS['10'])
  row('process at concurrency 100, jobs/s', (of) => of.processPerS['100'], atLeast(near ? 3 : 3.5))
  if (tqOnNode) row('the same, tq on Node', (of) => of.processPerS['100'], near ? atLeast(1.5) : null, tqOnNode)
  row('bytes per waiting job', (of) => of.bytesPerJob, atMost(0.46))
  row('commands per job', (of) => of.commandsPerJob, atMost(0.15))
  row('commands one at a time, 1 waits', (of) => of.commandsOneAtATime['1'], atMost(0.8))
  row('commands one at a time, 50 wait', (of) => of.commandsOneAtATime['50'], atMost(0.8))
  row('commands per minute, idle', (of) => of.idleCommandsPerMinute, atMost(0.03))
  row('pickup p50, ms', (of) => of.pickupMs.p50, near ? atMost(1.5) : null)
  row('pickup p99, ms', (of) => of.pickupMs.p99, near ? atMost(2) : null)
  row('idle worker, CPU ms/s', (of) => of.idleCpuMsPerS)
  row('small against large backlog', (of) => of.backlogRatio)
  if (tq.enqueueInBareCommands !== undefined) rows.push(inBareCommands(tq.enqueueInBareCommands))
  if (!near) rows.push(inRoundTrips(tq.pickupMs.p50, bullmq.pickupMs.p50, roundTripMs))
  return rows
}

/** What a ratio has to be; null for one that is only told. */
export type Limit = { readonly text: string; readonly holds: (ratio: number) => boolean } | null

const atLeast = (least: number): Limit => ({ text: `>= ${least}`, holds: (ratio) => ratio >= least })
export const atMost = (most: number): Limit => ({ text: `<= ${most}`, holds: (ratio) => ratio <= most })

export function compared(figure: string, tq: number, bullmq: number, limit: Limit): RatioTarget {
  const ratio = Number((tq / bullmq).toPrecision(3))
  return { figure, tq, bullmq, ratio, target: limit?.text ?? null, met: limit?.holds(ratio) ?? true }
}

const MOST_BARE_COMMANDS = 1.25

/** The same client's bare command stands in BullMQ's place. */
function inBareCommands(ratio: number): RatioTarget {
  return compared('one enqueue, in bare commands', ratio, 1, atMost(MOST_BARE_COMMANDS))
}

const MOST_ROUND_TRIPS = 2.2

/** Here the target is tq's own figure, not the ratio. */
function inRoundTrips(tqMs: number, bullmqMs: number, roundTripMs: number): RatioTarget {
  const [tq, bullmq] = [tqMs / roundTripMs, bullmqMs / roundTripMs].map((trips) => Number(trips.toPrecision(3)))
  const row = compared('pickup p50, round trips', tq ?? 0, bullmq ?? 0, null)
  return { ...row, target: `tq <= ${MOST_ROUND_TRIPS}`, met: row.tq <= MOST_ROUND_TRIPS }
}

export function toRatioTable(rows: readonly RatioTarget[]): string {
  const cells = ['', 'tq', 'BullMQ', 'ratio', 'to reach']
  const lines = rows.map(({ figure, tq, bullmq, ratio, target, met }) => [
    figure,
    tq.toLocaleString('en'),
    bullmq.toLocaleString('en'),
    String(ratio),
    target === null ? '' : `${target.padEnd(8)} ${met ? 'met' : 'NOT MET'}`,
  ])
  return [cells, ...lines]
    .map(([figure = '', ...rest]) =>
      `${figure.padEnd(36)}${rest.map((cell, at) => (at < 3 ? cell.padStart(10) : `   ${cell}`)).join('')}`.trimEnd(),
    )
    .join('\n')
}
