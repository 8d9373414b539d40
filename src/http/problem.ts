/**
 * Errors as `application/problem+json` (RFC 9457).
 *
 * `type` is a URN, not a link: it names the kind of problem for ever, whoever hosts the documentation.
 *
 * @module
 */
import { type InputIssue, InvalidInput, isTqError, StaleExchange, TqError, toError, UnknownTask } from '../errors.ts'
import { SAFE_HEADERS } from './safe-headers.ts'

export const TYPE_BASE = 'urn:tq:problem:'
const MAX_ISSUES = 20
const MAX_PATH_CHARS = 200
const MAX_DETAIL_CHARS = 1_000

interface Kind {
  readonly status: number
  readonly title: string
  /** Said in place of the error's own words, which may name a host or a file. */
  readonly detail?: string
  readonly retryAfterS?: number
}

/** `queue-full` is 503, not 429: it says what the server can take, not that this caller has sent too much (RFC 6585). */
export const KINDS = {
  'malformed-json': { status: 400, title: 'The body is not JSON that can be read' },
  'malformed-body': { status: 400, title: 'The body is not whole, or no text that can be read' },
  'invalid-request': { status: 400, title: 'The request is not in the form that this route takes' },
  unauthorized: { status: 401, title: 'A bearer token is needed' },
  unverified: { status: 401, title: "The delivery is not known to be its sender's" },
  forbidden: { status: 403, title: "The token's scopes do not allow this" },
  unsigned: { status: 403, title: 'A fresh signature is needed' },
  'cross-site': { status: 403, title: "Another site's page may not call this API" },
  'unknown-task': { status: 404, title: 'There is no task of this name' },
  'unknown-job': { status: 404, title: 'There is no job of this id' },
  'unknown-schedule': { status: 404, title: 'There is no schedule of this name' },
  'unknown-route': { status: 404, title: 'There is nothing at this path' },
  'method-not-allowed': { status: 405, title: 'This path does not take this method' },
  'job-state': { status: 409, title: 'The job is in a state in which this cannot be done' },
  'stale-exchange': { status: 409, title: 'The lane has gone on since' },
  'job-conflict': { status: 409, title: 'The id is taken by another job' },
  'key-under-way': { status: 409, title: 'A request under this key is under way' },
  'schedule-exists': { status: 409, title: 'The name is taken by another schedule' },
  'schedule-declared': { status: 409, title: "The app's file declares the schedule" },
  'events-off': { status: 409, title: 'The broker keeps no events' },
  'schedule-unreadable': { status: 409, title: 'When the schedule is due cannot be told here' },
  'blob-gone': { status: 410, title: 'The result was kept elsewhere and is there no more' },
  changed: { status: 412, title: 'It has changed since you have seen it' },
  'too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The content type is none that this path takes' },
  'invalid-input': { status: 422, title: "The input does not pass the task's schema" },
  'key-reused': { status: 422, title: 'The key was used for another request' },
  'too-many-failures': { status: 429, title: 'Too many calls have failed the check' },
  'rate-limited': { status: 429, title: 'The caller has sent too many calls' },
  internal: { status: 500, title: 'Something went wrong on the server', detail: "The server's log says what." },
  'body-read': { status: 500, title: 'Something before the API has read the body' },
  misconfigured: { status: 500, title: 'The deployment lacks a setting' },
  'not-ready': { status: 503, title: 'The broker does not answer' },
  'no-beat': { status: 503, title: 'No beat has been there lately' },
  'too-many-streams': { status: 503, title: 'As many streams are open as may be' },
  'webhook-late': { status: 503, title: 'The delivery was not taken in time' },
  'queue-full': { status: 503, title: 'The queue is full', retryAfterS: 10 },
  'broker-unavailable': {
    status: 503,
    title: 'The broker does not answer',
    detail:
      'The call may have been carried out or not. Sending it again is safe; an enqueue, under an id or an Idempotency-Key.',
    retryAfterS: 5,
  },
  'blobs-unavailable': {
    status: 503,
    title: 'The store for large inputs and results does not answer',
    detail: 'Nothing was enqueued by this call. Sending it again is safe.',
    retryAfterS: 5,
  },
  'storage-full': {
    status: 503,
    title: "The broker's store is full",
    detail: 'Nothing was stored. Send it again once there is room.',
    retryAfterS: 60,
  },
} as const satisfies Record<string, Kind>

export type ProblemKind = keyof typeof KINDS

const KIND_OF_ERROR: ReadonlyMap<string, ProblemKind> = new Map([
  ['InvalidOption', 'invalid-request'],
  ['UnknownTask', 'unknown-task'],
  ['JobNotFound', 'unknown-job'],
  ['StaleExchange', 'stale-exchange'],
  ['JobConflict', 'job-conflict'],
  ['ScheduleNotFound', 'unknown-schedule'],
  ['ScheduleExists', 'schedule-exists'],
  ['ScheduleDeclared', 'schedule-declared'],
  ['ScheduleUnreadable', 'schedule-unreadable'],
  ['EventsOff', 'events-off'],
  ['ScheduleMoved', 'changed'],
  ['TooLarge', 'too-large'],
  ['BlobGone', 'blob-gone'],
  ['BlobsUnavailable', 'blobs-unavailable'],
  ['InvalidInput', 'invalid-input'],
  ['NotSerializable', 'invalid-input'],
  ['QueueFull', 'queue-full'],
  ['BrokerUnavailable', 'broker-unavailable'],
  ['StorageFull', 'storage-full'],
])

/** What the body of an `application/problem+json` answer holds. */
export interface Problem {
  /** `urn:tq:problem:` and the kind. */
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  /** What is wrong, place by place; never the values found there. */
  readonly errors?: readonly InputIssue[]
  /** The known task that looks most like the unknown one. */
  readonly suggestion?: string
  /** The lane's last exchange, where one before it was sent. */
  readonly expectedSeq?: number
}

/** A request that the API refuses for a reason of its own, with the problem as it is answered. */
export class RefusedRequest extends TqError {
  override name = 'RefusedRequest' as const
  readonly problem: Problem
  readonly headers: Readonly<Record<string, string>>
  constructor(problem: Problem, headers: Readonly<Record<string, string>> = {}, options?: ErrorOptions) {
    super(problem.detail, options)
    this.problem = problem
    this.headers = headers
  }
}

export interface RefusalOptions {
  readonly errors?: readonly InputIssue[]
  readonly headers?: Readonly<Record<string, string>>
}

/** The error to throw for a request that is not served. */
export function refusal(kind: ProblemKind, detail: string, { errors, headers }: RefusalOptions = {}): RefusedRequest {
  return new RefusedRequest(problemOf(kind, detail, errors), headers)
}

export const isKind = ({ problem }: RefusedRequest, kind: ProblemKind): boolean => problem.type === TYPE_BASE + kind

/** Any error as a refused request; `path` says where in the body the job is that caused it. */
export function toRefusal(thrown: unknown, path = ''): RefusedRequest {
  const error = toError(thrown)
  const refused = error instanceof RefusedRequest ? error : refusalOf(error)
  const { problem, headers } = refused
  if (path === '' || problem.status >= 500) return refused
  const errors = (problem.errors ?? [{ path: '', message: problem.detail }]).map((issue) => under(path, issue))
  return new RefusedRequest({ ...problem, errors }, headers)
}

function refusalOf(error: Error): RefusedRequest {
  const kind = (isTqError(error) && KIND_OF_ERROR.get(error.name)) || 'internal'
  const { detail = error.message, retryAfterS }: Kind = KINDS[kind]
  const problem = problemOf(kind, detail, error instanceof InvalidInput ? error.issues : undefined)
  return new RefusedRequest(
    { ...problem, ...factsOf(error) },
    retryAfterS === undefined ? {} : { 'Retry-After': String(retryAfterS) },
    { cause: error },
  )
}

/** What a program can act on, beside the words. */
function factsOf(error: Error): Pick<Problem, 'suggestion' | 'expectedSeq'> {
  if (error instanceof StaleExchange) return { expectedSeq: error.expectedSeq }
  return error instanceof UnknownTask && error.suggestion !== undefined ? { suggestion: error.suggestion } : {}
}

function problemOf(kind: ProblemKind, detail: string, errors?: readonly InputIssue[]): Problem {
  const { status, title } = KINDS[kind]
  return {
    type: TYPE_BASE + kind,
    title,
    status,
    detail: detail.slice(0, MAX_DETAIL_CHARS),
    ...(errors && { errors: errors.slice(0, MAX_ISSUES).map((issue) => under('', issue)) }),
  }
}

function under(prefix: string, { path, message }: InputIssue): InputIssue {
  return { path: [prefix, path].filter(Boolean).join('.').slice(0, MAX_PATH_CHARS), message }
}

/** For an entry, which may lack what its API needs: answers for a setting, and for a caller that is refused. Throws the rest. */
export async function withProblems(answer: () => Promise<Response>): Promise<Response> {
  try {
    return await answer()
  } catch (thrown) {
    const error = toError(thrown)
    if (error instanceof RefusedRequest) return problemResponse(error)
    if (isTqError(error, 'InvalidOption')) return problemResponse(refusal('misconfigured', error.message))
    throw error
  }
}

export function problemResponse({ problem, headers }: RefusedRequest): Response {
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: { ...SAFE_HEADERS, ...headers, 'Content-Type': 'application/problem+json' },
  })
}
