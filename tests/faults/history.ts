import type { ExchangeReply, ExchangeRequest } from '../../src/broker.ts'
import type { ScriptChange } from '../support/script-changes.ts'

/** What the store itself has seen, in order: the truth about claims and settlements, whatever the clients were told. */
export const HISTORY = 'test:history'
const log = (...fields: readonly string[]) =>
  `redis.call('RPUSH', prefix .. '${HISTORY}', ${fields.join(" .. ' ' .. ")}) `

export const RECORD_HISTORY: readonly ScriptChange[] = [
  [
    'local function give(id, epoch, text)',
    `local function give(id, epoch, text) ${log("'claimed'", 'id', 'int(epoch)', 'lane', 'int(seq)', 'int(now + leaseMs)')}`,
  ],
  ["if kind == 'succeeded' then", `if kind == 'succeeded' then ${log("'settled'", 'id', 'int(epoch)')}`],
]

/** What the workers were told. */
export interface Answers {
  /** When each exchange was answered first, and the claims in it. */
  readonly exchanges: Map<string, number>
  readonly claims: Set<string>
}

export function recordAnswer(
  { exchanges, claims }: Answers,
  { lane, seq }: ExchangeRequest,
  reply: ExchangeReply,
): void {
  const key = `${lane} ${seq}`
  if (!exchanges.has(key)) exchanges.set(key, Date.now())
  for (const { id, epoch } of reply.jobs) claims.add(`${id} ${epoch} ${lane} ${seq}`)
}

export interface Findings {
  /** Jobs that were never settled. */
  readonly lost: number
  /** Jobs that were settled more than once. */
  readonly settledTwice: number
  /** Settlements by somebody whose lease another one had taken over. */
  readonly overtaken: number
  /** Claims that the exchange which made them never brought to its worker, although it was answered in time. */
  readonly orphaned: number
}

/** Holds what happened against the promises. */
export function judge(ids: readonly string[], history: readonly string[], { exchanges, claims }: Answers): Findings {
  const settled = new Map<string, number>()
  const holders = new Map<string, string>()
  let overtaken = 0
  let orphaned = 0
  for (const line of history) {
    const [what, id = '', epoch = '', lane, seq, endsAtMs] = line.split(' ')
    if (what === 'claimed') {
      holders.set(id, epoch)
      const answeredAtMs = exchanges.get(`${lane} ${seq}`) ?? Number.POSITIVE_INFINITY
      const inTime = answeredAtMs < Number(endsAtMs)
      if (inTime && !claims.has(`${id} ${epoch} ${lane} ${seq}`)) orphaned++
    } else {
      settled.set(id, (settled.get(id) ?? 0) + 1)
      if (holders.get(id) !== epoch) overtaken++
    }
  }
  return {
    lost: ids.filter((id) => !settled.has(id)).length,
    settledTwice: [...settled.values()].filter((times) => times > 1).length,
    overtaken,
    orphaned,
  }
}
