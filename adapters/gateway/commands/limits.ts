/**
 * How much of Redis's replies a request may bring into memory: each reply up to a size, and those of a pipeline up to a sum.
 *
 * Redis runs what it has been sent, so a long pipeline is sent in slices: what is to come after the sum has been reached is not sent.
 */
import { ErrorReply } from '@redis/client'
import type { Clock } from '../../../src/clock.ts'
import type { Command } from '../protocol/command.ts'
import type { Reply } from '../protocol/encoding.ts'
import { refuseRest, unanswered } from '../protocol/refusal.ts'
import type { Link, Take } from '../redis/link.ts'

export interface Limits {
  readonly maxReplyBytes: number
  /** Of a pipeline. A transaction's replies are one reply of Redis's. */
  readonly maxResponseBytes: number
  /** No slice begins after that. */
  readonly deadlineMs: number
  readonly clock: Clock
}

/** One write, as long as nothing is known of how large the replies are. */
const FIRST_SLICE = 100
/** So many that waiting for them costs little beside them. */
const MAX_SLICE = 1_000
/** Less than the error that would stand in its place. */
const SMALL_BYTES = 100

/** The same, with an error in the place of each reply that is too large, or comes after too many. */
export function withLimits(link: Link, limits: Limits): Link {
  const takeOne: Take = (reply) => limited(reply, sizeOf(reply), limits.maxReplyBytes)
  return (commands) => {
    if (commands.length === 1 || commands[0]?.[0] === 'MULTI') return link(commands, takeOne)
    const budget = createBudget(limits)
    return commands.length <= FIRST_SLICE ? link(commands, budget.take) : inSlices(link, commands, budget, limits)
  }
}

interface Budget {
  /** What is beyond it is let go as it comes: otherwise a slice would be in memory as a whole. */
  readonly take: Take
  /** So many commands whose replies would fit if they were like the largest so far; 0 once nothing does. */
  nextSlice(): number
}

function createBudget({ maxReplyBytes, maxResponseBytes }: Limits): Budget {
  const text = beyond(maxResponseBytes)
  let bytes = 0
  let largest = 1
  return {
    take(reply) {
      const size = sizeOf(reply)
      if (size > largest) largest = size
      if (bytes >= maxResponseBytes && size > SMALL_BYTES) return new ErrorReply(`${text}. The command has run`)
      if (size <= maxReplyBytes) bytes += size
      return limited(reply, size, maxReplyBytes)
    },
    nextSlice() {
      const left = maxResponseBytes - bytes
      return left <= 0 ? 0 : Math.min(MAX_SLICE, Math.max(1, Math.floor(left / largest)))
    },
  }
}

async function inSlices(
  link: Link,
  commands: readonly Command[],
  { take, nextSlice }: Budget,
  { maxResponseBytes, deadlineMs, clock }: Limits,
): Promise<Reply[]> {
  const endsAtMs = clock.monotonic() + deadlineMs
  const replies: Reply[] = []
  for (let slice = FIRST_SLICE; slice > 0 && replies.length < commands.length; slice = nextSlice()) {
    const at = replies.length
    if (clock.monotonic() >= endsAtMs) throw unanswered(`${at} of ${commands.length} answers within ${deadlineMs} ms`)
    const answered = await link(commands.slice(at, at + slice), take).catch((error) => refuseRest(error, at))
    for (const reply of answered) replies.push(reply)
  }
  const notRun = new ErrorReply(`${beyond(maxResponseBytes)}. The command has not run`)
  while (replies.length < commands.length) replies.push(notRun)
  return replies
}

const beyond = (limitBytes: number) => `ERR max response size of a pipeline exceeded. Limit: ${limitBytes}`

function limited(reply: Reply, bytes: number, limitBytes: number): Reply {
  if (bytes <= limitBytes) return reply
  return new ErrorReply(`ERR max response size exceeded. Limit: ${limitBytes}, Actual: ${bytes}`)
}

/** Of what it holds, without what an encoding adds. */
function sizeOf(reply: Reply): number {
  if (reply === null || reply instanceof ErrorReply) return 0
  if (!Array.isArray(reply)) return reply.length
  let bytes = 0
  for (const item of reply) bytes += sizeOf(item)
  return bytes
}
