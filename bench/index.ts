import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { FULL, measure, QUICK } from './measure.ts'
import { subjectOf } from './subjects.ts'
import { compare, type Target } from './targets.ts'

const HELP = `usage: npm run bench -- [--json] [--quick] [--broker <name> | --redis [--rtt <ms>] | --edge | --schedules | --beat | --http | --gateway]

  --json   one JSON object on stdout instead of a table
  --quick  some seconds instead of a minute; too little for figures to rely on
  --broker sqlite (the default)
  --redis  tq over HTTP beside BullMQ over TCP on the same Redis, some five minutes (npm ci --prefix bench/bullmq first)
  --rtt    milliseconds of round trip that are put into both paths
  --edge   edge apps in Cloudflare's runtime, and workers on each runtime (npm ci --prefix tests/runtimes first)
  --schedules  a hundred thousand schedules on each broker
  --beat   beats on both brokers, and beside BullMQ's job schedulers, some seven minutes (npm ci --prefix bench/bullmq first)
  --http   the REST API beside a bare route, and with 10,000 clients that watch, some four minutes (apt-get install wrk first)
  --gateway  tq gateway beside a bare server, @redis/client alone, and with 10,000 subscribers, some three minutes (apt-get install wrk first)`

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    quick: { type: 'boolean' },
    broker: { type: 'string', default: 'sqlite' },
    redis: { type: 'boolean', default: false },
    rtt: { type: 'string', default: '0' },
    edge: { type: 'boolean', default: false },
    schedules: { type: 'boolean', default: false },
    beat: { type: 'boolean', default: false },
    http: { type: 'boolean', default: false },
    gateway: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
})

/** On stderr, so that stdout carries the figures alone. */
const tell = (step: string) => process.stderr.write(`${step}\n`)

function runtime(): string {
  const { bun, deno, node } = process.versions
  if (bun) return `bun ${bun}`
  return deno ? `deno ${deno}` : `node ${node}`
}

function toTable(targets: readonly Target[]): string {
  return targets
    .map(({ figure, got, unit, target, met }) => {
      const figures = `${figure.padEnd(36)}${got.toLocaleString('en').padStart(10)} ${unit.padEnd(10)}`
      if (target === null) return figures.trimEnd()
      return `${figures}${target.toLocaleString('en').padStart(9)}  ${met ? 'met' : 'NOT MET'}`
    })
    .join('\n')
}

if (values.help) console.log(HELP)
else if (values.redis) {
  const { json = false, quick = false, rtt } = values
  // Its servers need Bun; the embedded bench runs on Node and Deno as well.
  const { benchRedis } = await import('./redis/index.ts')
  console.log(await benchRedis({ json, quick, roundTripMs: Number(rtt), tell }))
} else if (values.edge) {
  const { json = false, quick = false } = values
  const { benchEdge } = await import('./edge/index.ts')
  console.log(await benchEdge({ json, quick, toTable, tell }))
} else if (values.schedules) {
  const { json = false, quick = false } = values
  const { benchSchedules } = await import('./schedules/index.ts')
  console.log(await benchSchedules({ json, quick, toTable, tell }))
} else if (values.beat) {
  const { json = false, quick = false } = values
  const { benchBeat } = await import('./beat/index.ts')
  console.log(await benchBeat({ json, quick, toTable, tell }))
} else if (values.http) {
  const { json = false, quick = false } = values
  const { benchHttp } = await import('./http/index.ts')
  console.log(await benchHttp({ json, quick, toTable, tell }))
} else if (values.gateway) {
  const { json = false, quick = false } = values
  const { benchGateway } = await import('./gateway/index.ts')
  console.log(await benchGateway({ json, quick, toTable, tell }))
} else {
  const figures = await measure(subjectOf(values.broker), values.quick ? QUICK : FULL, tell)
  const targets = compare(figures)
  const machine = `${figures.broker} on ${runtime()}, ${availableParallelism()} cores${values.quick ? ', quick' : ''}`
  if (values.json) console.log(JSON.stringify({ ...figures, runtime: runtime(), targets }))
  else console.log(`\n${machine}\n\n${toTable(targets)}`)
}
