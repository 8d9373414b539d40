import type { Client, EnqueueOptions, EnqueueRequest, JobHandle } from '../client/client.ts'
import { JobConflict } from '../errors.ts'
import type { OnEvent } from '../events.ts'
import { DEFAULT_QUEUE } from '../words.ts'

/** A client for the handler of one delivery, and what it has enqueued. */
export interface DeliveryClient {
  readonly tq: Client
  /** Every job, also those that the handler has not waited for. Rejects for the first that could not be enqueued. */
  enqueued(): Promise<readonly JobHandle[]>
}

/** What is left of the 200 characters of a job's id, behind those of the delivery. */
const MAX_TASK_CHARS = 70

/**
 * A client whose jobs have their ids from the delivery, so that its next copy creates nothing: `<delivery>:<task>`, and from
 * the second job of a task on `~2`, `~3`.
 */
export function createDeliveryClient(client: Client, delivery: string, onEvent: OnEvent | undefined): DeliveryClient {
  const counts = new Map<string, number>()
  const calls: Promise<readonly JobHandle[]>[] = []

  function nextId(task: string): string {
    // A colon separates: of `/hooks/a` and `/hooks` none makes the other's ids.
    const short = String(task).slice(0, MAX_TASK_CHARS).replaceAll(':', '+')
    const count = (counts.get(short) ?? 0) + 1
    counts.set(short, count)
    return `${delivery}:${short}${count > 1 ? `~${count}` : ''}`
  }

  function withId({ task, input, options }: EnqueueRequest): Named {
    return { task, input, options: { ...options, id: options?.id ?? nextId(task) }, own: options?.id === undefined }
  }

  /** A copy may differ in what the sender counts, such as its attempts: the first one stands. */
  async function enqueueOne({ task, input, options, own }: Named): Promise<JobHandle> {
    try {
      return tell(await client.enqueue(task, input, options), task, options)
    } catch (error) {
      const job = client.job(options.id)
      if (own && error instanceof JobConflict && (await isCopy(job, task))) return job
      throw error
    }
  }

  /** Of another task it is the job of somebody who has taken its id. */
  async function isCopy(job: JobHandle, task: string): Promise<boolean> {
    const record = await job.get()
    return record === null || record.task === task
  }

  /** In one step; where a copy is among them, each by itself: those that are there already are not changed by it. */
  async function enqueueMany(requests: readonly Named[]): Promise<readonly JobHandle[]> {
    try {
      const handles = await client.enqueueMany(requests)
      return handles.map((handle, at) => tell(handle, requests[at]?.task ?? '', requests[at]?.options ?? {}))
    } catch (error) {
      if (error instanceof JobConflict) return Promise.all(requests.map(enqueueOne))
      throw error
    }
  }

  function tell(handle: JobHandle, task: string, { queue = DEFAULT_QUEUE }: EnqueueOptions): JobHandle {
    if (handle.created) onEvent?.({ kind: 'job.enqueued', id: handle.id, task, queue, by: 'webhook' })
    return handle
  }

  function remember<T>(call: Promise<T>, toHandles: (value: T) => readonly JobHandle[]): Promise<T> {
    const remembered = call.then(toHandles)
    remembered.catch(() => {}) // `enqueued` tells of it.
    calls.push(remembered)
    return call
  }

  const tq = {
    enqueue: (task: string, input?: unknown, options?: EnqueueOptions) =>
      remember(enqueueOne(withId({ task, input, ...(options && { options }) })), (handle) => [handle]),
    enqueueMany: (requests: readonly EnqueueRequest[]) =>
      remember(enqueueMany(requests.map(withId)), (handles) => handles),
    job: client.job,
  } as Client

  return { tq, enqueued: async () => (await Promise.all(calls)).flat() }
}

interface Named extends EnqueueRequest {
  readonly options: EnqueueOptions & { readonly id: string }
  /** Whether the id is the delivery's, not one that the handler has given. */
  readonly own: boolean
}
