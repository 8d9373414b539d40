/** A schedule from the command line, as data: what is not given stays as it was. */
import { parseDuration } from '../../../scheduler/duration.ts'
import { toMs } from '../../../scheduler/moment.ts'
import { OVERLAPS } from '../../../src/schedule.ts'
import type { RuleData, ScheduleData } from '../../../src/schedules.ts'
import { given, wholeNumber } from '../../args.ts'
import { UsageError } from '../../errors.ts'
import { readInput } from '../../input.ts'

const NONE = 'none'

export const scheduleArgs = {
  cron: { type: 'string', description: 'Due by a pattern, as in "0 7 * * 1-5"', valueHint: 'pattern' },
  timezone: { type: 'string', description: 'Of the pattern (default UTC)', valueHint: 'zone' },
  every: { type: 'string', description: 'Due by an interval, as in 30s, 5m, 1h30m', valueHint: 'duration' },
  align: { type: 'string', description: 'Of the interval: clock (default) or first', valueHint: 'word' },
  at: { type: 'string', description: 'Due once, as in 2027-01-09T09:00+01:00', valueHint: 'moment' },
  task: { type: 'string', description: 'The task whose jobs it enqueues', valueHint: 'name' },
  input: { type: 'string', description: 'The input of every job as JSON; - reads it from stdin', valueHint: 'json' },
  queue: { type: 'string', description: 'Default default', valueHint: 'name' },
  priority: { type: 'string', description: 'Higher is claimed first (default 0)', valueHint: 'n' },
  'catch-up': {
    type: 'string',
    description: 'Of what was missed: latest (default), skip, all, or all of so long, as in 7d',
    valueHint: 'word',
  },
  overlap: {
    type: 'string',
    description: 'While an earlier job has not finished: allow (default), skip, bufferOne, bufferAll, cancelPrevious',
    valueHint: 'word',
  },
  'ping-url': {
    type: 'string',
    description: 'A GET goes there after it was fired; none takes it away',
    valueHint: 'url',
  },
  'start-at': { type: 'string', description: 'Never due before; none takes it away', valueHint: 'moment' },
  'end-at': { type: 'string', description: 'Never due after; none takes it away', valueHint: 'moment' },
  'max-runs': { type: 'string', description: 'Due so often, from --start-at; none takes it away', valueHint: 'n' },
  jitter: { type: 'string', description: 'Each due time later by up to so long, as in 10m', valueHint: 'duration' },
} as const

export type ScheduleFlags = { readonly [Name in keyof typeof scheduleArgs]?: string | undefined }

/** What is known of a schedule before the flags are looked at: its name, or all of it. */
export type Known = { readonly name: string } & {
  readonly [Field in keyof ScheduleData]?: ScheduleData[Field] | undefined
}

/** Throws `UsageError` for flags that do not go together, and where something is missing. */
export async function toScheduleData(known: Known, flags: ScheduleFlags): Promise<ScheduleData> {
  const task = flags.task ?? known.task
  if (task === undefined) throw new UsageError('expected --task, got none: it names the task whose jobs are enqueued')
  const options = given({
    input: flags.input === undefined ? undefined : await readInput(flags.input),
    queue: flags.queue,
    priority: wholeNumber('priority', flags.priority, { min: -1_000_000, max: 1_000_000 }),
    catchUp: toCatchUp(flags['catch-up']),
    overlap: toOverlap(flags.overlap),
    pingUrl: flags['ping-url'] === NONE ? null : flags['ping-url'],
  })
  return { ...known, ...options, task, rule: toRule(known.rule, flags) }
}

/** Of which one is given for another rule. */
export const KINDS = ['cron', 'every', 'at'] as const

/** A change of a rule; null takes away. What does not go together is refused where the schedule is checked. */
function toRule(before: RuleData | undefined, flags: ScheduleFlags): RuleData {
  const kind = kindOf(before, flags)
  const changes = {
    kind,
    pattern: flags.cron,
    timezone: flags.timezone ?? (ZONE_PREFIX.test(flags.cron ?? '') ? null : undefined),
    everyMs: toDurationMs('every', flags.every),
    align: flags.align,
    atMs: toMomentMs('at', flags.at),
    startAtMs: toMomentMs('start-at', flags['start-at']),
    endAtMs: toMomentMs('end-at', flags['end-at']),
    maxRuns: flags['max-runs'] === NONE ? null : wholeNumber('max-runs', flags['max-runs'], { min: 1 }),
    jitterMs: toDurationMs('jitter', flags.jitter),
  }
  const rule = { ...(before?.kind === kind ? before : boundsOf(before, kind)), ...given(changes) }
  return Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== null)) as unknown as RuleData
}

const ZONE_PREFIX = /^\s*(?:CRON_)?TZ=/

function kindOf(before: RuleData | undefined, flags: ScheduleFlags): RuleData['kind'] {
  const [kind = before?.kind, ...more] = KINDS.filter((each) => flags[each] !== undefined)
  if (kind === undefined || more.length > 0)
    throw new UsageError(`expected one of --cron, --every and --at, got ${kind ? 'more' : 'none'}`)
  return kind
}

/** What a rule of another kind takes over. */
function boundsOf(before: RuleData | undefined, kind: RuleData['kind']): object {
  const { jitterMs, enabled, startAtMs, endAtMs, maxRuns } = { ...before } as Extract<RuleData, { kind: 'cron' }>
  return given(kind === 'at' ? { jitterMs, enabled } : { startAtMs, endAtMs, maxRuns, jitterMs, enabled })
}

function toMomentMs(flag: string, text: string | undefined): number | null | undefined {
  if (text === undefined) return undefined
  return text === NONE ? null : toMs(`--${flag}`, text)
}

function toDurationMs(flag: string, text: string | undefined): number | null | undefined {
  if (text === undefined || text === NONE) return text && null
  const ms = parseDuration(text)
  if (ms !== null) return ms
  throw new UsageError(`expected --${flag} to be a duration such as 30s, 5m or 1h30m, got "${text}"`)
}

const CATCH_UP = ['latest', 'skip', 'all'] as const

function toCatchUp(text: string | undefined): ScheduleData['catchUp'] {
  const word = CATCH_UP.find((each) => each === text)
  if (word || text === undefined) return word
  const maxAgeMs = toDurationMs('catch-up', text)
  if (maxAgeMs) return { maxAgeMs }
  throw new UsageError(
    `expected --catch-up to be one of ${CATCH_UP.join(', ')}, or a duration such as 7d, got "${text}"`,
  )
}

const OVERLAP_WORDS = ['allow', ...OVERLAPS] as const

function toOverlap(text: string | undefined): ScheduleData['overlap'] {
  const word = OVERLAP_WORDS.find((each) => each === text)
  if (word || text === undefined) return word
  throw new UsageError(`expected --overlap to be one of ${OVERLAP_WORDS.join(', ')}, got "${text}"`)
}
