/** What a name stands for: the same wherever it is. */
import type { JsonSchema } from './json-schema.ts'

interface Described {
  readonly description: string
  readonly example?: unknown
  /** Whether several of them are several parameters, and not one with commas. */
  readonly repeated?: boolean
}

export const PATH_PARAMETERS = {
  id: { description: "The job's id", example: 'welcome-ada' },
  task: { description: "The task's name; a `/` in it is written `%2F`", example: 'greet' },
  queue: { description: "The queue's name; a `/` in it is written `%2F`", example: 'default' },
  name: { description: "The schedule's name; a `/` in it is written `%2F`", example: 'nightly' },
} as const satisfies Record<string, Described>

/** Of queries. Those with an example can be sent together. */
export const PARAMETERS: Readonly<Record<string, Described>> = {
  id: {
    description: "The job's id, of your own: sent again it makes no other. Default a UUIDv7",
    example: 'welcome-bob',
  },
  queue: { description: 'The queue', example: 'default' },
  priority: { description: 'Higher is claimed first. Default 0', example: 5 },
  delayMs: { description: 'Milliseconds until the job is due', example: 1_000 },
  state: { description: 'Only jobs in these states', example: ['queued', 'scheduled'] },
  task: { description: 'Only jobs of this task', example: 'greet' },
  tag: { description: 'A tag of the job, which may have 8', example: 'eu', repeated: true },
  onSuccess: { description: 'A URL that is told once the job has succeeded; needs the scope `read` as well' },
  onFailure: { description: 'A URL that is told once the job has failed for good; needs the scope `read` as well' },
  after: { description: 'The id of the event after which to go on. Default: what happens from now on' },
  createdFromMs: { description: 'Created from this moment on, in milliseconds since the epoch', example: 0 },
  createdToMs: { description: 'Created before this moment', example: 4_102_444_800_000 },
  finishedFromMs: { description: 'Finished from this moment on: finished jobs alone' },
  finishedToMs: { description: 'Finished before this moment: finished jobs alone' },
  limit: { description: 'The most of a page', example: 100 },
  cursor: { description: 'Where the last page ended' },
  wait: { description: 'Seconds to wait, 60 at most. Default 0', example: 0 },
  app: { description: 'Only those of this app', example: 'shop' },
  count: { description: 'How many. Default 10', example: 3 },
  afterMs: { description: 'Due after this moment. Default now', example: 4_102_444_800_000 },
  beat: { description: 'Whether a beat was there within so many seconds' },
}

/** Of bodies. */
export const FIELDS: Readonly<Record<string, string>> = {
  agoMs: 'How long ago',
  ahead: 'How many jobs more to claim, to be begun later',
  align: '`first`: due times are counted from `startAtMs`, else they are multiples of the interval',
  app: 'The app that it is of',
  atMs: 'When it is due, in milliseconds since the epoch',
  attempt: 'Which attempt this is, from 1',
  attempts: 'How many attempts have ended',
  beat: 'When a beat was there last',
  blob: 'The key that it is kept under elsewhere',
  bytes: 'How large it is, in UTF-8',
  callbacks: 'Who is told how jobs end that name nobody themselves, by their task',
  cancelled: 'Of the extended jobs those that somebody wants cancelled',
  catchUp: 'What becomes of due times that were missed; of a tick whether it was',
  commands: 'What the process has had the store execute',
  concurrency: 'How many jobs it runs at once',
  counts: 'How many jobs are in each state',
  createdAtMs: 'When it was enqueued, in milliseconds since the epoch',
  createdFromMs: 'Created from this moment on, in milliseconds since the epoch',
  createdToMs: 'Created before this moment',
  cursor: 'Where the page ends: sent back, it goes on from there. Null where there is nothing more',
  deduplicated: 'There was a job of this id, task and input already: nothing was added',
  delayMs: 'Milliseconds until it is due',
  detail: 'What is wrong this time, and what to do',
  dryRun: 'Whether nothing is changed, and only told what would be',
  dueAtMs: 'When it is due, in milliseconds since the epoch',
  enabled: 'False: it is never due',
  endAtMs: 'No due time is after it',
  epoch: 'Which claim of the job: what an older one sends is refused',
  error: 'What its last attempt has failed with',
  errors: 'What is wrong, place by place; never the values found there',
  event: 'Of the sun, such as `sunrise`',
  everyMs: 'Milliseconds from one due time to the next',
  expectedSeq: "The lane's last exchange",
  expiresAtMs: 'When its record goes',
  extend: 'Whose leases to extend',
  filter: 'Those that it fits; without `states` those that the change is usually of',
  finishedAtMs: 'When it has finished',
  finishedFromMs: 'Finished from this moment on: finished jobs alone',
  finishedToMs: 'Finished before this moment: finished jobs alone',
  firedAtMs: 'When its job was made',
  id: 'The id of the job',
  ids: 'The ids of the jobs',
  input: "What the task's handler gets: any JSON",
  inputBlob: 'What the input is kept as elsewhere',
  inputBy: "`function`: the app's code makes the input of each tick",
  inputSchema: 'JSON Schema (draft 2020-12) of its input; null where it has none, or one that cannot tell',
  jitterMs: 'Each due time is later by a part of it that follows from the name',
  jobId: 'The id of its job; null where there is none',
  jobs: 'The jobs, one by one',
  keepMs: 'How long its record is kept',
  kind: 'Which of the forms this is',
  lagMs: 'How long it has been due without being fired',
  lane: "The lane's name: one exchange at a time",
  lastDueAtMs: 'When it was due last',
  late: 'The ids whose settlement or extension came too late: the lease is no longer yours',
  lateMs: 'How much later than due it was fired',
  latitude: 'In degrees, north above 0',
  leaseMs: 'How long a claimed job is yours without an extension',
  limit: 'The most to change in this call',
  longitude: 'In degrees, east above 0',
  lost: 'How often a worker has gone away in the middle of it',
  manual: 'Whether somebody has run it beside its due times',
  maxAgeMs: 'How late a missed due time may be fired',
  maxRuns: 'How many times at most',
  message: 'What is wrong, in words',
  more: 'Whether more may wait there',
  name: 'What it is called',
  nextAtMs: 'When something may be claimable at the earliest; null when nothing is in sight',
  nowMs: "The broker's time, in milliseconds since the epoch",
  onFailure: 'A URL that is told once the job has failed for good',
  onSuccess: 'A URL that is told once the job has succeeded',
  offsetMs: 'How much later than that it is due',
  origin: "Who has made it: the app's file, or somebody at run time",
  outcome: 'What has become of it',
  overlap: "What becomes of a tick while an earlier one's job has not finished; null: its job is made all the same",
  overridden: "Whether a change at run time stands in the place of what the app's file declares",
  p95Ms: 'How long 95 of 100 runs of each task take',
  path: 'Where in the body it is',
  pattern: 'A cron pattern',
  paused: 'Whether it is paused',
  pingUrl: 'Where a beat sends a GET after it has fired',
  presence: 'What the worker says of itself',
  priority: 'Higher is claimed first. Default 0',
  problem: 'Why it was not taken',
  progress: 'How far it has come: any JSON of at most 4,096 characters',
  queue: 'The queue. Default `default`',
  queues: 'The queues',
  removed: 'How many were removed',
  result: 'What the handler has returned; null where there is nothing',
  revision: 'Rises with every change; sent back it says which state a change is based on',
  rule: 'When it is due',
  running: 'How many jobs it runs now',
  runs: 'The ticks, newest first',
  runtime: 'What it runs on',
  schedule: "The schedule's name",
  schedules: 'The schedules, by name',
  seenAtMs: 'When it was last there',
  seq: 'Rises by 1 with every exchange of the lane',
  settle: 'What claimed jobs have come to',
  stack: "The error's stack; shown to nobody",
  startAtMs: 'No due time is before it',
  startedAtMs: 'When it was started',
  state: 'Where it is; null where its record is gone',
  states: 'Only jobs in these states',
  status: 'How it is',
  suggestion: 'The known task that looks most like the unknown one',
  tag: 'Only jobs of this tag',
  tags: 'What it is found by, beside its id',
  takeLost: 'Whether to claim jobs whose worker has gone away',
  task: "The task's name",
  tasks: 'The tasks; null where the server has no app',
  text: 'The rule, as RFC 5545 writes it',
  texts: 'Whether inputs, results and progress are JSON texts, and not values',
  tick: 'The tick that it was made for; null where no schedule has',
  timezone: 'An IANA time zone, such as `Europe/Oslo`',
  title: 'What kind of problem it is, in words',
  type: 'The kind of problem, for programs: stable for ever',
  v: "The version of the job's envelope",
  version: "Of the rule, which is the app's own",
  want: 'How many jobs to claim',
  worker: "The worker's name",
  workers: 'The workers that were here lately, or how many',
}

/** The same, with what its fields stand for. */
export function withDescriptions(schema: JsonSchema): JsonSchema {
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [
      key,
      key === 'properties' ? withEach(value as Record<string, JsonSchema>) : within(value),
    ]),
  )
}

function withEach(properties: Readonly<Record<string, JsonSchema>>): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => {
      const description = FIELDS[name]
      return [name, { ...withDescriptions(schema), ...(description !== undefined && { description }) }]
    }),
  )
}

/** Of the keywords that hold schemas; the others hold no objects, but for examples and defaults, in which nothing is named so. */
function within(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(within)
  return typeof value === 'object' && value !== null ? withDescriptions(value as JsonSchema) : value
}
