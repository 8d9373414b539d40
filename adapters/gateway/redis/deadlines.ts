import type { Clock } from '../../../src/clock.ts'

/** Ends of times that are all equally long: one timer does for any number of them. */
export interface Deadlines {
  /** Calls `onOver` in time, unless what it returns is called before. */
  start(onOver: () => void): () => void
  /** Resolves once all that have been started have ended. */
  idle(): Promise<void>
}

/** In a ring behind its head, the first to end first: every request has one, so it is to leave nothing to collect but itself. */
interface Deadline {
  readonly atMs: number
  readonly onOver: () => void
  before: Deadline
  behind: Deadline
}

export function createDeadlines(clock: Clock, afterMs: number): Deadlines {
  const head = createRing()
  let cancel: (() => void) | undefined
  const waiting: (() => void)[] = []

  const isIdle = () => head.behind === head

  function look(): void {
    const nowMs = clock.monotonic()
    try {
      while (!isIdle() && head.behind.atMs <= nowMs) {
        const { onOver } = head.behind
        end(head.behind)
        onOver()
      }
    } finally {
      // Meanwhile one may have been started, for which there is a timer that is too late for those before it.
      cancel?.()
      cancel = isIdle() ? undefined : clock.after(head.behind.atMs - nowMs, look)
    }
  }

  function end(deadline: Deadline): void {
    const { before, behind } = deadline
    before.behind = behind
    behind.before = before
    // So that once more does nothing.
    deadline.before = deadline
    deadline.behind = deadline
    if (!isIdle()) return
    cancel?.()
    cancel = undefined
    for (let tell = waiting.pop(); tell; tell = waiting.pop()) tell()
  }

  return {
    start(onOver) {
      const last = head.before
      const deadline = { atMs: clock.monotonic() + afterMs, onOver, before: last, behind: head }
      last.behind = deadline
      head.before = deadline
      cancel ??= clock.after(afterMs, look)
      return () => end(deadline)
    },
    idle() {
      return new Promise((resolve) => {
        if (isIdle()) resolve()
        else waiting.push(resolve)
      })
    },
  }
}

function createRing(): Deadline {
  const head = { atMs: 0, onOver: () => {} } as Deadline
  head.before = head
  head.behind = head
  return head
}
