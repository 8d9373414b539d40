/** A beat in a process of its own: tells how long it took until its first look was answered, and what it weighs. */
import { createBeat } from '../../scheduler/index.ts'
import { appOf, declare } from './app.ts'
import { openStore } from './stores.ts'

/** After it, so that what was only needed to begin is gone. */
const SETTLE_MS = 3_000

const [declared, ...address] = process.argv.slice(2)
const sinceMs = (startMs: number) => performance.now() - startMs
const startedMs = performance.now()
const app = appOf(declare(Number(declared)))
const declareMs = sinceMs(startedMs)
const broker = openStore(address)
const deployStartMs = performance.now()
let deployMs: number | undefined
const { promise: answered, resolve: answer } = Promise.withResolvers<void>()

/** Whoever asks for what is due has deployed. */
const schedules: typeof broker.schedules = async (query = {}) => {
  const isFirst = query.due === true && deployMs === undefined
  if (isFirst) deployMs = sinceMs(deployStartMs)
  const page = await broker.schedules(query)
  // `performance.now()` counts from the start of the process.
  if (isFirst) tell({ declareMs, deployMs, answerMs: performance.now() })
  if (isFirst) answer()
  return page
}

function tell(figures: object): void {
  process.stdout.write(`${JSON.stringify(figures)}\n`)
}

const beat = createBeat({ app, broker: { ...broker, schedules }, stampMs: 1 })
const done = beat.run()
await answered
await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
// Peak memory is in kilobytes.
tell({ rssMb: process.memoryUsage.rss() / 1e6, peakMb: process.resourceUsage().maxRSS / 1_000 })
beat.stop()
await done
await broker.close()
