import { unknownTask } from '../app.ts'
import type { Broker } from '../broker.ts'
import type { Client, EnqueueOptions, EnqueueRequest, JobHandle } from '../client/client.ts'
import type { Clock } from '../clock.ts'
import { InvalidInput } from '../errors.ts'
import type { OnEvent } from '../events.ts'
import { checkTaskName, type Task, validateInput } from '../task.ts'
import { DEFAULT_QUEUE, type JobState } from '../words.ts'
import { type Keyed, requireNoId } from './idempotency.ts'
import { type Problem, type RefusedRequest, toRefusal } from './problem.ts'
import type { JobRequest, PathOf } from './request.ts'

/** What the API answers for a job that it has taken. */
export interface EnqueuedJob {
  readonly id: string
  /** Null for a job that was there already and whose record is gone. */
  readonly state: JobState | null
  /** A job of that id, task and input was there already; nothing was added. */
  readonly deduplicated?: true
}

/** One job of many: taken, or refused for the problem given. */
export type JobAnswer = EnqueuedJob | { readonly id: string; readonly problem: Problem }

export interface EnqueueContext {
  readonly broker: Broker
  readonly client: Client
  readonly tasks: ReadonlyMap<string, Task> | undefined
  readonly clock: Clock
  readonly newId: () => string
  readonly onEvent: OnEvent | undefined
}

export interface Enqueue {
  /** Throws for the first job whose task is not known or whose input does not pass, and says where in the body it is. */
  check(requests: readonly JobRequest[], pathOf: PathOf): Promise<void>
  /**
   * Enqueues jobs in one step and answers, in order, what became of each. Under a key they are stored together or not at all: throws
   * where they are not, and answers what the first one was answered where they were there.
   */
  enqueue(requests: readonly JobRequest[], keyed?: Keyed): Promise<readonly Outcome[]>
}

export type Outcome =
  | { readonly id: string; readonly job: EnqueuedJob }
  | { readonly id: string; readonly refused: RefusedRequest }

export function createEnqueue({ broker, client, tasks, clock, newId, onEvent }: EnqueueContext): Enqueue {
  async function checkOne({ task: name, input }: JobRequest): Promise<void> {
    if (!tasks) return checkTaskName(name)
    const task = tasks.get(name)
    if (!task) throw unknownTask(name, tasks.keys())
    const checked = validateInput(task, input)
    if (checked instanceof Promise) await checked
  }

  async function statesOf(ids: readonly string[]): Promise<ReadonlyMap<string, JobState>> {
    if (ids.length === 0) return new Map()
    // The jobs are stored: an answer without their states is better than an error that makes the caller send again.
    const records = await broker.get(ids).catch(() => [])
    return new Map(records.flatMap((record) => (record ? [[record.id, record.state]] : [])))
  }

  function newState({ delayMs = 0, dueAtMs = 0 }: JobRequest, nowMs = clock.now()): JobState {
    return delayMs > 0 || dueAtMs > nowMs ? 'scheduled' : 'queued'
  }

  function answer(request: JobRequest, handle: JobHandle, states: ReadonlyMap<string, JobState>): EnqueuedJob {
    const { id } = handle
    if (!isNew(request, handle)) return { id, state: states.get(id) ?? null, deduplicated: true }
    tell(request, id)
    return { id, state: newState(request) }
  }

  function tell({ task, queue = DEFAULT_QUEUE }: JobRequest, id: string): void {
    onEvent?.({ kind: 'job.enqueued', id, task, queue, by: 'api' })
  }

  async function enqueueKeyed(requests: readonly JobRequest[], keyed: Keyed): Promise<readonly Outcome[]> {
    requireNoId(requests.map(({ id }) => id))
    const nowMs = clock.now()
    const { fingerprint } = keyed
    const jobs = requests.map(({ task, input, ...options }, at) => {
      const id = at === 0 ? keyed.id : `${keyed.id}.${at}`
      return { task, input, options: { ...options, id, fingerprint } }
    })
    const handles = await sendTogether(jobs)
    const isReplay = handles.length > 0 && !handles.some(({ created }) => created)
    if (isReplay) keyed.replayed()
    const passed = handles.filter((_, at) => (requests[at]?.dueAtMs ?? Number.POSITIVE_INFINITY) <= nowMs)
    const firstMs = isReplay && passed.length > 0 ? await madeAtMs(passed) : nowMs
    return requests.map((request, at) => {
      const { id, created } = handles[at] as JobHandle
      if (created) tell(request, id)
      return { id, job: { id, state: newState(request, firstMs) } }
    })
  }

  /** One job shares its call with those of other requests. */
  async function sendTogether(jobs: readonly Named[]): Promise<readonly JobHandle[]> {
    const [first] = jobs
    if (!first || jobs.length > 1) return client.enqueueMany(jobs)
    return [await client.enqueue(first.task, first.input, first.options)]
  }

  /** When they were made, which says what was due later by then; where no record tells any more, all that has a due time was. */
  async function madeAtMs(handles: readonly JobHandle[]): Promise<number> {
    const records = await broker.get(handles.map(({ id }) => id)).catch(() => [])
    return records.find((record) => record !== null)?.createdAtMs ?? 0
  }

  return {
    async check(requests, pathOf) {
      for (const [at, request] of requests.entries())
        await checkOne(request).catch((error) => {
          throw toRefusal(error, pathOf(at, error instanceof InvalidInput ? 'input' : 'task'))
        })
    },

    async enqueue(requests, keyed) {
      if (keyed) return enqueueKeyed(requests, keyed)
      const named = requests.map((request) => ({ request, id: request.id ?? newId() }))
      const settled = await Promise.allSettled(
        named.map(({ request: { task, input, ...options }, id }) => client.enqueue(task, input, { ...options, id })),
      )
      const known = named.filter(({ request }, at) => {
        const call = settled[at]
        return call?.status === 'fulfilled' && !isNew(request, call.value)
      })
      const states = await statesOf(known.map(({ id }) => id))
      return named.map(({ request, id }, at) => {
        const call = settled[at] as PromiseSettledResult<JobHandle>
        if (call.status === 'rejected') return { id, refused: toRefusal(call.reason) }
        return { id, job: answer(request, call.value, states) }
      })
    },
  }
}

type Named = EnqueueRequest & { readonly options: EnqueueOptions }

/** An id of the API's own making was there only because the first of two sends had got through. */
function isNew(request: JobRequest, { created }: JobHandle): boolean {
  return created || request.id === undefined
}

export const locationOf = (id: string): string => `/v1/jobs/${encodeURIComponent(id)}`

export function only(outcomes: readonly Outcome[]): EnqueuedJob {
  const [outcome] = outcomes as readonly [Outcome]
  if ('refused' in outcome) throw outcome.refused
  return outcome.job
}

export function toAnswer(outcome: Outcome): JobAnswer {
  return 'job' in outcome ? outcome.job : { id: outcome.id, problem: outcome.refused.problem }
}

/** 207 where the answer has to be read job by job. With nothing taken it is the first refusal: the same may be sent again. */
export function statusOf(outcomes: readonly Outcome[]): 202 | 207 {
  const refused = outcomes.flatMap((outcome) => ('refused' in outcome ? [outcome.refused] : []))
  if (refused[0] && refused.length === outcomes.length) throw refused[0]
  return refused.length === 0 ? 202 : 207
}
