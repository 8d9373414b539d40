/** How many jobs may wait in a queue, and what becomes of more. A bound is checked by whoever enqueues: give all of them the same. */
import { InvalidOption } from './errors.ts'

export interface QueueBounds {
  /** The most jobs of a queue that are ready; those with a priority are counted apart, as many again. */
  readonly maxReady?: number
  /** The most jobs of a queue that are due later, and those to be retried. Beyond it an enqueue is rejected, whatever `whenFull` says. */
  readonly maxTimed?: number
  /**
   * What becomes of an enqueue beyond `maxReady`. `reject` (the default): it fails with `QueueFull`, and nothing of it is stored.
   * `drop-oldest`: it is stored, and the jobs that have been ready for longest are cancelled in the same step, of those with a
   * priority the lowest first.
   */
  readonly whenFull?: 'reject' | 'drop-oldest'
}

/** What is kept of a job that was dropped, as JSON. */
export const DROPPED_ERROR: string = JSON.stringify({
  name: 'QueueFull',
  message:
    'expected room in the queue until a worker takes the job, got as many newer jobs as it may hold: the oldest was dropped',
})

/** Throws `InvalidOption` for bounds that cannot be. */
export function checkBounds({ maxReady, maxTimed, whenFull }: QueueBounds): void {
  checkBound('maxReady', maxReady)
  checkBound('maxTimed', maxTimed)
  if (whenFull !== undefined && whenFull !== 'reject' && whenFull !== 'drop-oldest')
    throw new InvalidOption('whenFull', 'reject or drop-oldest', 'another text')
}

function checkBound(option: string, value: number | undefined): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1))
    throw new InvalidOption(option, 'a whole number, 1 or more', String(value))
}
