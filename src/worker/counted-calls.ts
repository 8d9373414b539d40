import type { Broker, ExchangeReply, ExchangeRequest } from '../broker.ts'
import { BrokerRefused } from '../errors.ts'

/** A broker of which only so much may be asked, and what its last replies have told. */
export interface CountedCalls {
  readonly broker: Broker
  /** How many calls may still be made. */
  readonly left: number
  /** Whether the last claim left jobs that could be claimed at once. */
  readonly more: boolean
  /** As in the last reply. */
  readonly nextAtMs: number | null
  readonly nowMs: number
  /** Hears that no more than the kept calls are left. */
  onFew: () => void
  /** Hears of a call that was refused. */
  onNone: () => void
}

export interface CountOptions {
  /** Under which it speaks of itself: a record for each invocation would be one that nobody removes. */
  readonly name: string
  readonly max: number
  readonly kept: number
}

/** Wraps the calls that a worker makes while it drains. */
export function countCalls(broker: Broker, { name, max, kept }: CountOptions): CountedCalls {
  let used = 0
  let told = { more: false, nextAtMs: null as number | null, nowMs: 0 }
  const calls: CountedCalls = {
    broker: {
      ...broker,
      workers: () => counted(() => broker.workers()),
      exchange: (request) => counted(() => exchange(request)),
    },
    get left() {
      return max - used
    },
    get more() {
      return told.more
    },
    get nextAtMs() {
      return told.nextAtMs
    },
    get nowMs() {
      return told.nowMs
    },
    onFew() {},
    onNone() {},
  }

  async function counted<T>(call: () => Promise<T>): Promise<T> {
    if (used >= max) {
      calls.onNone()
      throw new BrokerRefused(broker.name, `all ${max} requests of this drain used up`, 'raise maxSubrequests')
    }
    used++
    const answer = await call()
    if (calls.left <= kept) calls.onFew()
    return answer
  }

  async function exchange({ presence, ...request }: ExchangeRequest): Promise<ExchangeReply> {
    const said = presence ? { presence: { ...presence, worker: name } } : {}
    const reply = await broker.exchange({ ...request, ...said })
    const { jobs, nextAtMs, nowMs } = reply
    const claimable = jobs.length === request.want || (nextAtMs !== null && nextAtMs <= nowMs)
    told = { more: request.want > 0 ? claimable : told.more, nextAtMs, nowMs }
    return reply
  }

  return calls
}
