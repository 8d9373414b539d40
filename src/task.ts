import type { StandardSchemaV1 } from '@standard-schema/spec'
import { CALLBACK_TASK, type Callbacks, toCallbackUrl } from './callbacks.ts'
import { FOREVER_MS } from './clock.ts'
import { describe, type InputIssue, InvalidInput, InvalidOption } from './errors.ts'
import type { JobTick } from './job.ts'
import { checkRetryPolicy, type RetryPolicy } from './retry.ts'

/** What a handler is told of the job it runs, and what it can tell back. */
export interface JobContext {
  readonly id: string
  readonly task: string
  readonly queue: string
  /** From 1; a lease that was lost does not count. */
  readonly attempt: number
  /** How often a worker has gone away in the middle of this job. */
  readonly lost: number
  readonly enqueuedAtMs: number
  /** The tick it was enqueued for, when a schedule did. */
  readonly tick: JobTick | null
  /** What it was tagged with when it was enqueued. */
  readonly tags: readonly string[]
  /** Aborts on timeout, cancellation, a lost lease and shutdown. */
  readonly signal: AbortSignal
  /** Stores how far the job has come (any JSON up to 4 KiB); the last one counts. */
  progress(value: unknown): void
  /** Hands a line to the worker's events. */
  log(message: string): void
}

export interface TaskPolicy {
  readonly retry?: RetryPolicy
  /** How long one attempt may take. Default one hour. */
  readonly timeoutMs?: number
  /** How long the record and result of a succeeded job are kept. Default one hour. */
  readonly keepResultMs?: number
  /** How long a failed job is kept for replay. Default seven days. */
  readonly keepFailedMs?: number
}

export interface TaskDefinition<Name extends string, Schema extends StandardSchemaV1, Result>
  extends TaskPolicy,
    Callbacks {
  /** What producers call it by: letters, digits and `. _ - : /`, at most 200. */
  readonly name: Name
  /** Any Standard Schema: valibot, zod, arktype. Without one the input is passed as it came. */
  readonly input?: Schema
  run(input: StandardSchemaV1.InferOutput<Schema>, job: JobContext): Result | Promise<Result>
}

/** A task as `defineTask` returns it; `Input` is what producers pass, `Result` what its handler returns. */
export interface Task<Name extends string = string, Input = unknown, Result = unknown> {
  readonly name: Name
  readonly policy: Required<Omit<TaskPolicy, 'retry'>> & { readonly retry: RetryPolicy }
  readonly schema: StandardSchemaV1 | undefined
  /** For jobs that are given none of that name themselves. */
  readonly callbacks?: Callbacks | undefined
  /** Runs the handler on an input that has passed the schema. */
  readonly run: (input: unknown, job: JobContext) => unknown
  /** Carries the types alone; never set. */
  readonly '~types'?: { readonly input: Input; readonly result: Result }
}

const HOUR_MS = 3_600_000
/** How long a record is kept where nobody says otherwise. */
export const KEEP_RESULT_MS: number = HOUR_MS
export const KEEP_FAILED_MS: number = 7 * 24 * HOUR_MS
export const TASK_NAME: RegExp = /^[\w.:/-]{1,200}$/

/** Throws `InvalidOption` for a name that no task of an app can have. */
export function checkTaskName(name: string): void {
  // Whoever could enqueue it would be told how any job has ended.
  if (name === CALLBACK_TASK)
    throw new InvalidOption('the name of a task', `another than "${name}"`, "what is tq's own")
  if (!TASK_NAME.test(name))
    throw new InvalidOption('the name of a task', '1 to 200 letters, digits or . _ - : /', describe(name))
}

/**
 * Defines a task: a name, the schema of its input, its handler and its policy.
 *
 * Throws `InvalidOption` for a name or a policy that cannot be.
 *
 * @example
 * ```ts
 * import { defineTask } from 'tq-edge'
 * import * as v from 'valibot'
 *
 * const greet = defineTask({
 *   name: 'greet',
 *   input: v.object({ name: v.string() }),
 *   run: ({ name }) => `Hello, ${name}`,
 * })
 * console.log(greet.name) // greet
 * ```
 */
export function defineTask<
  const Name extends string,
  Result,
  Schema extends StandardSchemaV1 = StandardSchemaV1<unknown>,
>(definition: TaskDefinition<Name, Schema, Result>): Task<Name, StandardSchemaV1.InferInput<Schema>, Awaited<Result>> {
  const {
    name,
    input,
    run,
    retry = {},
    timeoutMs = HOUR_MS,
    keepResultMs = KEEP_RESULT_MS,
    keepFailedMs = KEEP_FAILED_MS,
    onSuccess,
    onFailure,
  } = definition
  checkTaskName(name)
  requirePositive(`timeoutMs of "${name}"`, timeoutMs)
  requirePositive(`keepResultMs of "${name}"`, keepResultMs)
  requirePositive(`keepFailedMs of "${name}"`, keepFailedMs)
  checkRetryPolicy(name, retry)
  return {
    name,
    schema: input,
    policy: {
      retry,
      timeoutMs,
      keepResultMs: Math.min(FOREVER_MS, keepResultMs),
      keepFailedMs: Math.min(FOREVER_MS, keepFailedMs),
    },
    ...((onSuccess ?? onFailure) !== undefined && {
      callbacks: {
        onSuccess: toCallbackUrl(`onSuccess of "${name}"`, onSuccess),
        onFailure: toCallbackUrl(`onFailure of "${name}"`, onFailure),
      },
    }),
    run: (value, job) => run.call(definition, value as StandardSchemaV1.InferOutput<Schema>, job),
  }
}

function requirePositive(option: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value)))
    throw new InvalidOption(option, 'a number of milliseconds above 0', String(value))
}

/**
 * An input checked by its task's schema: what the handler gets.
 *
 * Not async itself: most schemas answer at once, and a promise per job would cost more than the check.
 * Throws `InvalidInput`, or rejects with it where the schema is asynchronous.
 */
export function validateInput(task: Task, input: unknown): unknown {
  if (task.schema === undefined) return input
  const outcome = task.schema['~standard'].validate(input)
  if (outcome instanceof Promise) return outcome.then((settled) => validOutput(task, settled, input))
  return validOutput(task, outcome, input)
}

function validOutput(task: Task, outcome: StandardSchemaV1.Result<unknown>, input: unknown): unknown {
  if (!outcome.issues) return outcome.value
  throw new InvalidInput(
    task.name,
    outcome.issues.length > 0 ? outcome.issues.map(toIssue) : [{ path: '', message: `not ${describe(input)}` }],
  )
}

function toIssue({ path, message }: StandardSchemaV1.Issue): InputIssue {
  const keys = (path ?? []).map((segment) => String(typeof segment === 'object' ? segment.key : segment))
  return { path: keys.join('.'), message: withoutValue(message) }
}

/** Schema libraries quote what they received (`received "secret"`); the value is the user's and stays out, its type may stay. */
function withoutValue(message: string): string {
  return message
    .replace(/\breceived\s+(?!(?:undefined|null|Object|Array|Date)\b)[\s\S]*/i, 'received another value')
    .slice(0, 300)
}
