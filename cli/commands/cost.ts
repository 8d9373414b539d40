import { type CostStep, MONTH_S, monthlyCost } from '../../adapters/brokers/redis/cost.ts'
import { parseDuration } from '../../scheduler/duration.ts'
import { commonArgs, given, wholeNumber } from '../args.ts'
import { command } from '../command.ts'
import { UsageError } from '../errors.ts'
import { OK } from '../exit.ts'
import { printJson, printLine, toTable } from '../print.ts'

/** Upstash's pay-as-you-go, dollars per 100,000 commands. */
const DEFAULT_PRICE = 0.2
const PRICED_COMMANDS = 100_000

const { json, debug } = commonArgs
const args = {
  jobs: { type: 'string', description: 'Jobs a month: 500k, 1M (default 1M)', valueHint: 'count' },
  rate: { type: 'string', description: 'How fast they come while they come (default 10/s)', valueHint: 'n/s' },
  batch: { type: 'string', description: 'How many jobs one call enqueues (default 1)', valueHint: 'count' },
  workers: { type: 'string', description: 'Workers that run all month (default 1)', valueHint: 'count' },
  concurrency: { type: 'string', description: 'Of each worker (default 10)', valueHint: 'count' },
  queues: { type: 'string', description: 'Queues that each worker serves (default 1)', valueHint: 'count' },
  rtt: {
    type: 'string',
    description: 'Milliseconds between a worker and Redis, and back (default 20)',
    valueHint: 'ms',
  },
  schedules: { type: 'string', description: 'Schedules of the app (default 0)', valueHint: 'count' },
  every: { type: 'string', description: 'Between two due times of each schedule (default 1m)', valueHint: 'duration' },
  reads: { type: 'string', description: 'How often each job is looked up (default 0)', valueHint: 'count' },
  price: {
    type: 'string',
    description: `Dollars per 100,000 commands (default ${DEFAULT_PRICE.toFixed(2)}, Upstash's)`,
    valueHint: 'dollars',
  },
  json,
  debug,
} as const

export default command({
  name: 'cost',
  description: 'Say what a month costs at most on a Redis that bills by the command',
  examples: ['tq cost --jobs 1M --workers 3 --rate 10/s', 'tq cost --jobs 20M --batch 500 --rate 200/s --json'],
  args,
  async run(flags) {
    const { price, json = false } = flags
    const workload = toWorkload(flags)
    const dollarsPerCommand = (price === undefined ? DEFAULT_PRICE : toPrice(price)) / PRICED_COMMANDS
    const steps = monthlyCost(workload).map((step) => ({
      ...step,
      dollars: toCents(step.commands * dollarsPerCommand),
    }))
    const commands = steps.reduce((sum, step) => sum + step.commands, 0)
    const total = { commands, dollars: toCents(commands * dollarsPerCommand) }
    if (json) printJson({ workload, steps, ...total })
    else printLine(toText(steps, total))
    return OK
  },
})

function toWorkload(
  flags: Readonly<Partial<Record<Exclude<keyof typeof args, 'json' | 'debug'>, string | undefined>>>,
) {
  const whole = (flag: Exclude<keyof typeof args, 'json' | 'debug'>, min: number) =>
    wholeNumber(flag, flags[flag], { min })
  const jobsPerMonth = toCount('jobs', flags.jobs ?? '1M')
  const jobsPerS = toRate(flags.rate ?? '10/s')
  if (jobsPerMonth > jobsPerS * MONTH_S)
    throw new UsageError(
      `expected --rate to bring --jobs in a month, got ${jobsPerS} a second, which is ${jobsPerS * MONTH_S}: raise it`,
    )
  return {
    jobsPerMonth,
    jobsPerS,
    workers: whole('workers', 0) ?? 1,
    ...given({
      batch: whole('batch', 1),
      concurrency: whole('concurrency', 1),
      queues: whole('queues', 1),
      roundTripMs: whole('rtt', 1),
      schedules: whole('schedules', 0),
      scheduleMs: flags.every === undefined ? undefined : toMs(flags.every),
      readsPerJob: whole('reads', 0),
    }),
  }
}

const THOUSANDS = { '': 1, k: 1e3, m: 1e6, g: 1e9 } as const

/** `250`, `500k`, `1.5M`. */
function toCount(flag: string, text: string): number {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([kmg]?)$/i.exec(text) ?? []
  const count = Number(digits) * THOUSANDS[unit.toLowerCase() as keyof typeof THOUSANDS]
  if (Number.isSafeInteger(count)) return count
  throw new UsageError(`expected --${flag} to be a count such as 500k or 1M, got "${text}"`)
}

const UNIT_S = { s: 1, m: 60, min: 60, h: 3_600, d: 86_400 } as const

/** `10/s`, `500/min`, `10`, in jobs a second. */
function toRate(text: string): number {
  const [, digits, unit = 's'] = /^(\d+(?:\.\d+)?)(?:\/(s|m|min|h|d))?$/.exec(text) ?? []
  const rate = Number(digits) / UNIT_S[unit as keyof typeof UNIT_S]
  if (rate > 0) return rate
  throw new UsageError(`expected --rate to be jobs a time such as 10/s or 500/min, got "${text}"`)
}

function toMs(text: string): number {
  const ms = parseDuration(text)
  if (ms) return ms
  throw new UsageError(`expected --every to be a duration such as 30s or 5m, got "${text}"`)
}

function toPrice(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text)
  throw new UsageError(`expected --price to be dollars per 100,000 commands such as 0.20, got "${text}"`)
}

const toCents = (dollars: number) => Math.round(dollars * 100) / 100

type Priced = CostStep & { readonly dollars: number }

function toText(steps: readonly Priced[], { commands, dollars }: { commands: number; dollars: number }): string {
  const rows = steps.map((step) => [
    step.step,
    grouped(step.times),
    String(step.commandsEach),
    grouped(step.commands),
    toDollars(step.dollars),
  ])
  rows.push(['a month, at most', '', '', grouped(commands), toDollars(dollars)])
  return toTable(['step', 'times', 'commands each', 'commands', 'cost'], rows)
}

const grouped = (count: number) => Math.round(count).toLocaleString('en-US')
const toDollars = (dollars: number) => `$${dollars.toFixed(2)}`
