/** What goes to the script of an exchange and what comes back, as flat lists of texts. */
import type { ClaimedJob, ExchangeReply, ExchangeRequest, Settlement, WorkerPresence } from '../../../src/broker.ts'
import { utf8Bytes } from '../../../src/job.ts'
import { toCallbackLines } from './callbacks.ts'
import { bodyStart, fromMeta, parseRecord } from './record.ts'

export interface LaneFlags {
  /** Whether the lane may still stand in a queue's list of waiting ones. */
  readonly registered: boolean
  /** Whether a hint brought this exchange about. */
  readonly woken: boolean
  readonly sweep: boolean
  readonly jitter: number
}

export function exchangeArguments(request: ExchangeRequest, { registered, woken, sweep, jitter }: LaneFlags): string[] {
  const { lane, seq, want, ahead = 0, takeLost, leaseMs, waitMs, queues, presence } = request
  return [
    lane,
    String(seq),
    String(want),
    String(ahead),
    flag(takeLost),
    String(leaseMs),
    String(waitMs),
    flag(registered),
    flag(woken),
    flag(sweep),
    String(jitter),
    // The name up to the first bar is where it is kept; what it is called stands in the text.
    presence ? `${presence.worker.replaceAll('|', '\n')}|${toPresenceText(presence)}` : '',
    toCallbackLines(request.callbacks),
    String(queues.length),
    ...queues,
    ...refArguments(request),
  ]
}

/** Refs that follow each other and differ in id and text alone, as those of a batch do, name the rest once. */
function refArguments({ settle, extend }: ExchangeRequest): string[] {
  const args: string[] = ['0']
  let alike: readonly (string | number)[] = []
  let countAt = 0
  const add = (id: string, text: string, kind: string, epoch: number, ms: number, progress: string) => {
    if (alike[0] !== kind || alike[1] !== epoch || alike[2] !== ms || alike[3] !== progress) {
      alike = [kind, epoch, ms, progress]
      args[0] = increased(args[0])
      countAt = args.push(...alike.map(String), '0') - 1
    }
    args[countAt] = increased(args[countAt])
    args.push(id, text)
  }
  for (const settlement of settle) {
    const { id, kind, epoch, progress = '' } = settlement
    add(id, textOf(settlement), kind, epoch, msOf(settlement), progress)
  }
  for (const { id, epoch, progress = '' } of extend) add(id, '', 'extend', epoch, 0, progress)
  return args
}

const MAX_PRESENCE_BYTES = 4_000

/** As JSON; of very many tasks and queues only the first ones are told, so that all workers together fit in one reply. */
export function toPresenceText(presence: WorkerPresence): string {
  const { queues, p95Ms = {} } = presence
  const text = JSON.stringify(presence)
  const tasks = Object.entries(p95Ms)
  if (utf8Bytes(text) <= MAX_PRESENCE_BYTES || tasks.length + queues.length <= 1) return text
  if (tasks.length > 0)
    return toPresenceText({ ...presence, p95Ms: Object.fromEntries(tasks.slice(0, tasks.length / 2)) })
  return toPresenceText({ ...presence, queues: queues.slice(0, queues.length / 2) })
}

const increased = (text: string | undefined) => String(Number(text) + 1)

const flag = (value: boolean) => (value ? '1' : '0')

function msOf(settlement: Settlement): number {
  return 'keepMs' in settlement ? settlement.keepMs : settlement.delayMs
}

function textOf(settlement: Settlement): string {
  if (settlement.kind === 'succeeded') return settlement.result
  return 'error' in settlement ? JSON.stringify(settlement.error) : ''
}

/** The seq that the lane is at when the exchange was stale, else the reply. */
export function toExchangeReply(raw: unknown): ExchangeReply | { readonly staleAt: number } {
  const [now, nextAt, staleSeq, late, cancelled, flat] = raw as [string, string, string, string[], string[], string[]]
  if (staleSeq !== '') return { staleAt: Number(staleSeq) }
  return { nowMs: Number(now), nextAtMs: nextAt === '' ? null : Number(nextAt), late, cancelled, jobs: toJobs(flat) }
}

/** Jobs of a batch share what stands before their input: it is taken apart once. */
function toJobs(flat: readonly string[]): ClaimedJob[] {
  const jobs: ClaimedJob[] = []
  const heads = new Map<string, Omit<ClaimedJob, 'id' | 'input'>>()
  for (let at = 0; at < flat.length; at += 2) {
    const text = flat[at + 1] as string
    const start = bodyStart(text)
    const head = text.slice(0, start)
    const shared = heads.get(head) ?? toShared(head)
    heads.set(head, shared)
    const { epoch, attempt, lost, queue, task, createdAtMs, v, tick, tags } = shared
    const input = text.slice(start)
    jobs.push({
      id: flat[at] as string,
      epoch,
      attempt,
      lost,
      queue,
      input,
      task,
      createdAtMs,
      v,
      tick,
      ...(tags ? { tags } : {}),
    })
  }
  return jobs
}

function toShared(head: string): Omit<ClaimedJob, 'id' | 'input'> {
  const { epoch, attempts, lost, queue, meta } = parseRecord(head)
  return { epoch: epoch + 1, attempt: attempts + 1, lost, queue, ...fromMeta(meta) }
}
