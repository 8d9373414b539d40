import type { Broker, ExchangeReply, ExchangeRequest } from '../broker.ts'
import { isTqError, type StaleExchange } from '../errors.ts'
import { type ResendOptions, resend } from '../resend.ts'

/** One of a worker's lines to the broker: its own id and seq, and strictly one exchange in flight. */
export interface Lane {
  readonly id: string
  readonly busy: boolean
  /** How many jobs the exchange in flight may bring. */
  readonly wanted: number
  exchange(request: Omit<ExchangeRequest, 'lane' | 'seq'>): Promise<ExchangeReply>
}

export function createLane(id: string, broker: Broker, options: Omit<ResendOptions, 'call'>): Lane {
  let seq = 0
  let busy = false
  let wanted = 0
  return {
    id,
    get busy() {
      return busy
    },
    get wanted() {
      return wanted
    },
    async exchange(request) {
      busy = true
      wanted = request.want
      seq++
      const numbered: ExchangeRequest = { lane: id, seq, ...request }
      try {
        return await resend(() => broker.exchange(numbered), { call: 'exchange', ...options })
      } catch (error) {
        // Only a lane of the same id elsewhere can be ahead; going on above it keeps this one alive.
        if (isTqError(error, 'StaleExchange')) seq = (error as StaleExchange).expectedSeq
        throw error
      } finally {
        busy = false
        wanted = 0
      }
    },
  }
}
