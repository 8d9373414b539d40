import { InvalidOption, TooLarge } from '../src/errors.ts'
import { type JobTick, toJson, utf8Bytes } from '../src/job.ts'
import { OVERLAPS, type Overlap, type Schedule, type ScheduleRule } from '../src/schedule.ts'
import { type Task, validateInput } from '../src/task.ts'
import { checkWhole } from '../src/whole.ts'
import { DEFAULT_QUEUE, NAME_FORM, NAME as QUEUE_NAME } from '../src/words.ts'
import { type BoundOptions, within } from './bounds.ts'
import { type CatchUpOptions, toCatchUp } from './catch-up.ts'
import { checkPingUrl } from './pings.ts'

export type ScheduleOptions<T extends Task = Task> = JobOptions<T> & BoundOptions

/** What every job of a schedule is made of, and which of those that were missed there are. */
export type JobOptions<T extends Task = Task> = {
  /** The task whose jobs it enqueues. */
  readonly task: T
  /** Default `default`. */
  readonly queue?: string | undefined
  /** A whole number; higher is claimed first. Default 0. */
  readonly priority?: number | undefined
  /**
   * What becomes of a tick while a job of an earlier one has not finished: `allow`, its job is made all the same; `skip`, there is no
   * job; `bufferOne`, its job waits, unless one waits already; `bufferAll`, its job waits behind those that do; `cancelPrevious`, its
   * job is made, and those before it are cancelled. Default `allow`.
   */
  readonly overlap?: 'allow' | Overlap | undefined
  /**
   * A beat that has fired this schedule sends a GET there, once a pass: for a monitor that tells you when it stops. `https:` or `http:`,
   * at most 2,000 characters. One that fails is told by the event `ping.failed`.
   */
  readonly pingUrl?: string | undefined
} & CatchUpOptions &
  InputOption<NonNullable<T['~types']>['input']>

/** The input of every job, or a function that makes it at each tick; left out only where the task takes none. */
type InputOption<Input> = undefined extends Input
  ? { readonly input?: InputOrFunction<Input> }
  : { readonly input: InputOrFunction<Input> }

/** Written so that the function's parameter has its type also where the task takes anything. */
type InputOrFunction<Input> =
  | (unknown extends Input ? NonNullable<unknown> | null | undefined : Input)
  | ((tick: JobTick) => Input)

/** Short enough for a tick's job id: the schedule's name, its incarnation and the due time in 200 characters. */
const NAME = /^(?!\.{1,2}$)[\w.:/-]{1,140}$/
const MAX_PRIORITY = 1_000_000
const MAX_INPUT_BYTES = 1_048_576

/** Puts a schedule together from its rule, what its kind is due by, and its jobs' options, and checks the latter. */
export function toSchedule(
  name: string,
  rule: ScheduleRule,
  next: Schedule['next'],
  { task, input, queue = DEFAULT_QUEUE, priority = 0, catchUp, overlap, pingUrl }: JobOptions,
): Schedule {
  checkOptions(name, queue, priority)
  checkPingUrl(name, pingUrl)
  return {
    name,
    task: task.name,
    ...toInput(name, task, input),
    queue,
    priority,
    rule,
    catchUp: toCatchUp(name, catchUp),
    overlap: toOverlap(name, overlap),
    pingUrl,
    next: within(name, rule, next),
  }
}

/** Before the rule is looked at, since its errors name the schedule. */
export function checkName(name: string): void {
  if (!NAME.test(name))
    throw new InvalidOption(
      'the name of a schedule',
      '1 to 140 letters, digits or . _ - : /, other than . and ..',
      JSON.stringify(name),
    )
}

function checkOptions(name: string, queue: string, priority: number): void {
  if (!QUEUE_NAME.test(queue)) throw new InvalidOption(`queue of "${name}"`, NAME_FORM, `${queue.length} characters`)
  checkWhole(`priority of "${name}"`, priority, -MAX_PRIORITY, MAX_PRIORITY)
}

function toInput(name: string, task: Task, input: unknown): Pick<Schedule, 'input' | 'inputOf'> {
  if (typeof input !== 'function') return { input: inputText(name, task, input) }
  return { input: '', inputOf: (tick) => inputText(name, task, input(tick)) }
}

/** Nothing for the default: it is not stored. */
function toOverlap(name: string, given: JobOptions['overlap'] = 'allow'): Overlap | undefined {
  if (given === 'allow') return undefined
  if (OVERLAPS.includes(given)) return given
  const words = ['allow', ...OVERLAPS].map((word) => `"${word}"`)
  throw new InvalidOption(`overlap of "${name}"`, `one of ${words.join(', ')}`, String(JSON.stringify(given)))
}

/** As JSON text, checked by the task. Throws `InvalidInput`, `NotSerializable`, `TooLarge`. */
export function inputText(name: string, task: Task, input: unknown): string {
  const checked = validateInput(task, input)
  // An asynchronous schema cannot answer here; the worker asks it again.
  if (checked instanceof Promise) checked.catch(() => {})
  const text = toJson(`the input of "${name}"`, input)
  const bytes = utf8Bytes(text)
  if (bytes > MAX_INPUT_BYTES) throw new TooLarge(`the input of "${name}"`, MAX_INPUT_BYTES, bytes)
  return text
}
