/**
 * What callers may send, checked once, here. No message repeats a value: it could be the user's input in the wrong place.
 *
 * @module
 */
import type { Context, Input, MiddlewareHandler } from 'hono'
import * as v from 'valibot'
import { MAX_BATCH_JOBS } from '../broker.ts'
import { type Callbacks, isCallbackUrl } from '../callbacks.ts'
import { describe, type InputIssue } from '../errors.ts'
import { MAX_TAGS, TAG, TAG_FORM } from '../words.ts'
import { readJson } from './body.ts'
import { list, objectOf, whole } from './fields.ts'
import { refusal } from './problem.ts'

const NAME = 'expected a text of 1 to 200 printable characters'
const ID = `${NAME} other than . and ..`
const OWN_ID = 'expected an id other than those that tq makes for keys, callbacks and ticks'
const NOT_OWN_ID = /^(?!key-[\da-f]{32}(?:\.\d+)?$)(?!.+:on(?:Success|Failure):\d+$)(?!.+:[\da-f-]{36}:\d+$)/s
const TAG_EXPECTED = `expected a tag of ${TAG_FORM}`
const TAGS = `expected at most ${MAX_TAGS} tags`
const PRIORITY = 'expected a whole number from -1000000 to 1000000'
const MS = 'expected milliseconds, 0 or more'
/** The last moment of a `Date`. */
export const MAX_MS = 8.64e15
const MAX_WAIT_S = 60

// \P{C} leaves out control characters and halves of surrogate pairs, which no header and no store keeps as they are.
export const name: v.GenericSchema<string> = v.pipe(v.string(NAME), v.maxLength(200, NAME), v.regex(/^\P{C}+$/u, NAME))
// A path cannot end in a dot segment, so a job of such an id could not be read.
export const id: v.GenericSchema<string> = v.pipe(name, v.regex(/^(?!\.{1,2}$)/, ID))
// Whoever takes one of tq's own keeps the job of that id from being stored: another caller's under a key, the callback of another's job, or a
// schedule's next tick.
export const newJobId: v.GenericSchema<string> = v.pipe(id, v.regex(NOT_OWN_ID, OWN_ID))
export const tag: v.GenericSchema<string> = v.pipe(v.string(TAG_EXPECTED), v.regex(TAG, TAG_EXPECTED))
const tags = list(tag, MAX_TAGS, TAGS)
const priority = whole(PRIORITY, -1_000_000, 1_000_000)
export const ms: v.GenericSchema<number> = v.pipe(v.number(MS), v.minValue(0, MS), v.maxValue(MAX_MS, MS))

export const fromText = <Schema extends v.GenericSchema<number, number>>(schema: Schema, message: string) =>
  v.pipe(v.string(message), v.regex(/^-?\d{1,20}(?:\.\d{1,20})?$/, message), v.transform(Number), schema)

const CALLBACK = 'expected an address of at most 2000 characters (https://...), without user and password'
const callback = v.pipe(
  v.string(CALLBACK),
  v.check((url) => isCallbackUrl(url), CALLBACK),
)

/** The options of one job, in the query. */
export interface TaskQuery extends Callbacks {
  readonly id?: string | undefined
  readonly queue?: string | undefined
  readonly priority?: string | undefined
  readonly delayMs?: string | undefined
  /** May be repeated. */
  readonly tag?: string | readonly string[] | undefined
}

/** One job as the API takes it. */
export interface JobRequest extends Callbacks {
  readonly task: string
  readonly input?: unknown
  readonly id?: string | undefined
  readonly queue?: string | undefined
  readonly priority?: number | undefined
  readonly delayMs?: number | undefined
  readonly dueAtMs?: number | undefined
  readonly tags?: readonly string[] | undefined
}

export interface WaitQuery {
  /** Seconds. */
  readonly wait?: string | undefined
}

type JobOptions = Omit<JobRequest, 'task' | 'input'>

/** One parameter, or several of the same name. */
const repeated = v.pipe(
  v.custom<string | readonly string[]>(() => true),
  v.transform((given) => [given].flat()),
  tags,
)

export const taskQuery: v.GenericSchema<TaskQuery, JobOptions> = v.pipe(
  objectOf({
    id: v.optional(newJobId),
    queue: v.optional(name),
    priority: v.optional(fromText(priority, PRIORITY)),
    delayMs: v.optional(fromText(ms, MS)),
    tag: v.optional(repeated),
    onSuccess: v.optional(callback),
    onFailure: v.optional(callback),
  }),
  v.transform(({ tag: given, ...options }) => ({ ...options, tags: given })),
)

export const jobRequest: v.GenericSchema<JobRequest> = v.pipe(
  objectOf({
    task: name,
    input: v.optional(v.unknown()),
    id: v.optional(newJobId),
    queue: v.optional(name),
    priority: v.optional(priority),
    delayMs: v.optional(ms),
    dueAtMs: v.optional(ms),
    tags: v.optional(tags),
    onSuccess: v.optional(callback),
    onFailure: v.optional(callback),
  }),
  // The client would refuse this one job, and take those beside it.
  v.check(
    ({ delayMs, dueAtMs }) => delayMs === undefined || dueAtMs === undefined,
    'expected delayMs or dueAtMs, not both',
  ),
)

const SECONDS = 'expected seconds'
const toWaitMs = (seconds: number) => Math.min(MAX_WAIT_S, seconds) * 1_000
/** Seconds as text, in milliseconds. */
export const waitMs: v.GenericSchema<string, number> = v.pipe(
  fromText(v.pipe(v.number(), v.minValue(0, SECONDS)), SECONDS),
  v.transform(toWaitMs),
)
export const waitQuery: v.GenericSchema<WaitQuery, { readonly wait?: number | undefined }> = objectOf({
  wait: v.optional(waitMs),
})

const nothing = v.strictObject({}, () => 'expected no parameter')

export interface JobRequests {
  readonly requests: readonly JobRequest[]
  readonly pathOf: PathOf
  /** Whether the caller has sent a list, and gets one back. */
  readonly many: boolean
}

/** Where in the body a job has its task or its input. */
export type PathOf = (at: number, key: keyof JobRequest) => string

export type JobsBody = JobRequest | readonly JobRequest[] | { readonly jobs: readonly JobRequest[] }

/** A middleware that adds checked data to the request; its type says what a typed client may send. */
export type Checked<I extends Input> = MiddlewareHandler<object, string, I>

export const checkTaskQuery: Checked<{
  in: { query: TaskQuery }
  out: { query: JobOptions }
}> = async (c, next) => {
  c.req.addValidatedData('query', parse(taskQuery, queryOf(c)))
  await next()
}

export const checkInput: Checked<{ in: { json?: unknown }; out: { json: { readonly input: unknown } } }> = async (
  c,
  next,
) => {
  c.req.addValidatedData('json', { input: await readJson(c) })
  await next()
}

export const checkJobs: Checked<{ in: { json: JobsBody }; out: { json: JobRequests } }> = async (c, next) => {
  c.req.addValidatedData('json', { ...toJobRequests(await readJson(c)) })
  await next()
}

export const checkWait: Checked<{
  in: { query: WaitQuery }
  out: { query: { readonly waitMs: number } }
}> = async (c, next) => {
  const { wait = toWaitMs(preferredWaitS(c.req.header('Prefer'))) } = parse(waitQuery, queryOf(c))
  c.req.addValidatedData('query', { waitMs: wait })
  await next()
}

/** What takes no parameters refuses them: one that is misspelt is an error. */
export const checkNothing: MiddlewareHandler = async (c, next) => {
  parse(nothing, queryOf(c))
  await next()
}

/** Checks a name in the path. */
export function checkName(param: string): MiddlewareHandler {
  return async (c, next) => {
    parse(name, c.req.param(param), param)
    await next()
  }
}

/** Checks a query by its schema. */
export function checkQuery<In, Out>(
  schema: v.GenericSchema<In, Out>,
): Checked<{ in: { query: In }; out: { query: Out } }> {
  return async (c, next) => {
    c.req.addValidatedData('query', parse(schema, queryOf(c)) as object)
    await next()
  }
}

/** Checks a body by its schema; an empty one is an object without fields. */
export function checkBody<In, Out>(
  schema: v.GenericSchema<In, Out>,
): Checked<{ in: { json: In }; out: { json: Out } }> {
  return async (c, next) => {
    const body = await readJson(c)
    if (Array.isArray(body)) throw invalidRequest([{ path: '', message: `expected an object, got ${describe(body)}` }])
    c.req.addValidatedData('json', parse(schema, body === undefined ? {} : body) as object)
    await next()
  }
}

function toJobRequests(body: unknown): JobRequests {
  if (Array.isArray(body)) return { requests: parseList(body, ''), pathOf: (at, key) => `${at}.${key}`, many: true }
  if (!hasJobs(body)) return { requests: [parse(jobRequest, body)], pathOf: (_, key) => key, many: false }
  const { jobs } = parse(objectOf({ jobs: v.array(v.unknown(), 'expected a list') }), body)
  return { requests: parseList(jobs, 'jobs'), pathOf: (at, key) => `jobs.${at}.${key}`, many: true }
}

function hasJobs(body: unknown): boolean {
  return typeof body === 'object' && body !== null && Object.hasOwn(body, 'jobs')
}

/** The length first: a list of a million wrong things would make a million issues. */
function parseList(jobs: readonly unknown[], path: string): readonly JobRequest[] {
  if (jobs.length > MAX_BATCH_JOBS)
    throw invalidRequest([{ path, message: `expected at most ${MAX_BATCH_JOBS} jobs, got ${jobs.length}` }])
  return parse(v.array(jobRequest), jobs, path)
}

/** RFC 7240: a preference that is not understood is not an error. */
function preferredWaitS(prefer: string | undefined): number {
  return Number(/(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])/i.exec(prefer ?? '')?.[1] ?? 0)
}

/** Each parameter once, as text; one that is repeated as the list it is, which no option takes. */
function queryOf(c: Context): Record<string, string | readonly string[]> {
  return Object.fromEntries(
    Object.entries(c.req.queries()).map(([key, values]) => [key, values.length === 1 ? (values[0] as string) : values]),
  )
}

function parse<Schema extends v.GenericSchema>(schema: Schema, value: unknown, path = ''): v.InferOutput<Schema> {
  const outcome = v.safeParse(schema, value, { abortPipeEarly: true })
  if (outcome.success) return outcome.output
  throw invalidRequest(outcome.issues.map((issue) => toIssue(issue, path)))
}

function toIssue(issue: v.BaseIssue<unknown>, path: string): InputIssue {
  const keys = (issue.path ?? []).map(({ key }) => String(key))
  const got = issue.input === undefined ? 'none' : issue.expected === 'never' ? 'this' : describe(issue.input)
  return { path: [path, ...keys].filter((key) => key !== '').join('.'), message: `${issue.message}, got ${got}` }
}

function invalidRequest(errors: readonly InputIssue[]) {
  const [first] = errors
  return refusal('invalid-request', [first?.path, first?.message].filter(Boolean).join(': '), { errors })
}
