import { v7 } from 'uuid'
import type { App } from '../app.ts'
import { type Blobs, createBlobStore } from '../blobs.ts'
import type { Broker } from '../broker.ts'
import { CALLBACK_TASK, type TaskCallbacks } from '../callbacks.ts'
import { type Clock, systemClock } from '../clock.ts'
import { InvalidOption } from '../errors.ts'
import { type OnEvent, withoutThrowing } from '../events.ts'
import type { Task } from '../task.ts'
import { checkWhole } from '../whole.ts'
import { DEFAULT_QUEUE } from '../words.ts'
import type { ToCallbackTask } from './callbacks.ts'
import type { Durations } from './durations.ts'
import type { Run } from './run.ts'
import type { NotNow } from './runner.ts'

export interface WorkerOptions {
  readonly app: App
  readonly broker: Broker
  /** In the order in which they are served: a later one gets what the earlier ones leave. Default `['default']`. */
  readonly queues?: readonly string[]
  /** How many jobs run at once. Default 10. */
  readonly concurrency?: number
  /** How long a claimed job stays this worker's without an extension. Default 30,000. */
  readonly leaseMs?: number
  /** Lines to the broker; a second one hides the round trip of the first. Default 2, or 1 where there is no round trip. */
  readonly lanes?: number
  /** Shown in `tq queues`. Default `worker`. */
  readonly name?: string
  /** What it runs on, shown beside the name. */
  readonly runtime?: string
  /** Stops by itself once nothing is claimable. */
  readonly burst?: boolean
  /** Stops by itself after so many jobs. */
  readonly maxJobs?: number
  /** The largest result, as JSON text, that goes to the broker. Default 1 MiB. */
  readonly maxResultBytes?: number
  /** Where larger results go, and larger inputs come from. Default the app's. Without, such a result fails its job. */
  readonly blobs?: Blobs | undefined
  /** Sends callbacks, by `sendCallbacks`. Without, they are put back for a worker that does. */
  readonly callbacks?: ToCallbackTask | undefined
  readonly clock?: Clock
  readonly random?: () => number
  readonly newId?: () => string
  readonly onEvent?: OnEvent | undefined
}

/** What a drain, whose time and calls are counted, sets beyond a worker's options. */
export interface WorkerLimits {
  readonly durations?: Durations
  readonly admit?: (run: Run) => NotNow | null
  readonly cutOff?: (run: Run) => Error | undefined
  /** Whether it may ask for more jobs. */
  readonly mayClaim?: () => boolean
  /** How often it says that it is there. */
  readonly presenceMs?: number
  /** How long after an exchange the next one may follow while jobs run: what ends meanwhile goes together. */
  readonly paceMs?: () => number
}

const WORKER_NAME = /^[\w.:-]{1,100}$/

/** The options with their defaults, checked. */
export function withDefaults({
  app,
  broker,
  queues = [DEFAULT_QUEUE],
  concurrency = 10,
  leaseMs = 30_000,
  lanes = broker.local ? 1 : 2,
  name = 'worker',
  runtime = 'unknown',
  burst = false,
  maxJobs = Number.POSITIVE_INFINITY,
  maxResultBytes = 1_048_576,
  blobs = app.blobs,
  callbacks,
  clock = systemClock,
  random = Math.random,
  newId = v7,
  onEvent,
}: WorkerOptions) {
  checkWhole('concurrency', concurrency, 1, 1_000)
  checkWhole('lanes', lanes, 1, 16)
  checkWhole('leaseMs', leaseMs, 1_000, 86_400_000)
  checkWhole('maxResultBytes', maxResultBytes, 1, 100_000_000)
  if (maxJobs !== Number.POSITIVE_INFINITY) checkWhole('maxJobs', maxJobs, 1, Number.MAX_SAFE_INTEGER)
  if (queues.length === 0) throw new InvalidOption('queues', 'at least one queue', 'none')
  if (!WORKER_NAME.test(name))
    throw new InvalidOption('name', '1 to 100 letters, digits or . _ : -', `${name.length} characters`)
  return {
    app: callbacks ? withTask(app, callbacks({ broker, clock })) : app,
    ...{ broker, queues, concurrency, leaseMs, runtime, burst, maxJobs, maxResultBytes, clock, random },
    laneCount: Math.min(concurrency, lanes),
    worker: `${name}.${newId()}`,
    blobs: createBlobStore(blobs, { clock, random }),
    onEvent: withoutThrowing(onEvent),
    callbacks: taskCallbacks(app),
  }
}

const withTask = (app: App, task: Task): App => ({ ...app, tasks: new Map([...app.tasks, [CALLBACK_TASK, task]]) })

/** Undefined where no task has any: then nothing is said of them. */
function taskCallbacks({ tasks }: App): TaskCallbacks | undefined {
  const found = [...tasks].flatMap(([name, { callbacks }]) => (callbacks ? [[name, callbacks] as const] : []))
  return found.length > 0 ? Object.fromEntries(found) : undefined
}
