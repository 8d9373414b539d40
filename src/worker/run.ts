import type { ClaimedJob } from '../broker.ts'
import { InvalidOption, JobAborted, TooLarge } from '../errors.ts'
import type { OnEvent } from '../events.ts'
import { type JobTick, MAX_ERROR_BYTES, toJson, utf8Bytes } from '../job.ts'
import type { JobContext, Task } from '../task.ts'

const MAX_PROGRESS_BYTES = 4_096
const MAX_LOG_CHARS = 4_000
/** What a record holds besides texts: names, numbers, who waits for it. */
const RECORD_BYTES = 300

/** By the monotonic clock. */
interface RunTimes {
  readonly startedAtMs: number
  readonly extendAtMs: number
}

interface RunHooks {
  readonly onEvent: OnEvent | undefined
  readonly onProgress: () => void
}

/** One job in a worker's hands, and what its handler sees of it. */
export class Run implements JobContext {
  readonly job: ClaimedJob
  /** Undefined when this worker does not know the task. */
  readonly definition: Task | undefined
  /** The lane that claimed it. */
  readonly lane: string
  /** When it was claimed, then when its handler began. */
  startedAtMs: number
  /** When its lease has to be extended, by the monotonic clock. */
  extendAtMs: number
  /** Progress told since the last exchange. */
  freshProgress: string | undefined
  /** True once somebody asked for its cancellation. */
  cancelled = false
  /** True once it has been given back: what its handler still does no longer counts. */
  released = false
  readonly #hooks: RunHooks
  #controller: AbortController | undefined
  #abortReason: Error | undefined

  constructor(job: ClaimedJob, definition: Task | undefined, lane: string, times: RunTimes, hooks: RunHooks) {
    this.job = job
    this.definition = definition
    this.lane = lane
    this.startedAtMs = times.startedAtMs
    this.extendAtMs = times.extendAtMs
    this.#hooks = hooks
  }

  get id(): string {
    return this.job.id
  }
  get task(): string {
    return this.job.task
  }
  get queue(): string {
    return this.job.queue
  }
  get attempt(): number {
    return this.job.attempt
  }
  get lost(): number {
    return this.job.lost
  }
  get enqueuedAtMs(): number {
    return this.job.createdAtMs
  }
  get tick(): JobTick | null {
    return this.job.tick
  }
  get tags(): readonly string[] {
    return this.job.tags ?? []
  }

  /** What a broker reads to settle or extend it, at most as far as can be known here. */
  get recordBytes(): number {
    const { id, queue, input, attempt, lost, tags = [] } = this.job
    const errorBytes = attempt > 1 || lost > 0 ? MAX_ERROR_BYTES : 0
    return RECORD_BYTES + 3 * (id.length + queue.length) + utf8Bytes(tags.join()) + utf8Bytes(input) + errorBytes
  }

  /** Made when a handler asks for it: most never do, and a controller costs more than an empty job. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#abortReason) this.#controller.abort(this.#abortReason)
    }
    return this.#controller.signal
  }

  abort(reason: Error | ConstructorParameters<typeof JobAborted>[0]): void {
    this.#abortReason ??= typeof reason === 'string' ? new JobAborted(reason) : reason
    this.#controller?.abort(this.#abortReason)
  }

  progress(value: unknown): void {
    const text = toJson(`the progress of "${this.task}"`, value)
    if (text === '') throw new InvalidOption('progress', 'a JSON value', 'undefined')
    const bytes = utf8Bytes(text)
    if (bytes > MAX_PROGRESS_BYTES) throw new TooLarge(`the progress of "${this.task}"`, MAX_PROGRESS_BYTES, bytes)
    this.freshProgress = text
    this.#hooks.onEvent?.({ kind: 'job.progress', id: this.id, task: this.task, progress: text })
    this.#hooks.onProgress()
  }

  log(message: string): void {
    this.#hooks.onEvent?.({
      kind: 'job.log',
      id: this.id,
      task: this.task,
      message: String(message).slice(0, MAX_LOG_CHARS),
    })
  }
}
