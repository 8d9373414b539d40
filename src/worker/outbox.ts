import { MAX_BATCH_BYTES, type Settlement } from '../broker.ts'
import { utf8Bytes } from '../job.ts'

const MAX_SETTLEMENTS = 500
/** What a settlement weighs besides its texts: an id, names, numbers. */
const SETTLEMENT_BYTES = 300

/** What has finished and waits for the next exchange. */
export interface Outbox {
  readonly length: number
  add(settlement: Settlement): void
  /** Takes what one exchange may carry, oldest first. */
  take(): readonly Settlement[]
  /** Puts back, in front, what an exchange has failed to deliver. */
  giveBack(settlements: readonly Settlement[]): void
  clear(): void
}

export function createOutbox(): Outbox {
  const waiting: Settlement[] = []
  return {
    get length() {
      return waiting.length
    },
    add: (settlement) => void waiting.push(settlement),
    take() {
      let count = 0
      // Bounded in bytes as well, but the first one always goes: none may be too large to be settled at all.
      for (let bytes = 0; count < Math.min(waiting.length, MAX_SETTLEMENTS); count++) {
        bytes += settlementBytes(waiting[count] as Settlement)
        if (count > 0 && bytes > MAX_BATCH_BYTES) break
      }
      return waiting.splice(0, count)
    },
    giveBack: (settlements) => void waiting.unshift(...settlements),
    clear() {
      waiting.length = 0
    },
  }
}

function settlementBytes(settlement: Settlement): number {
  const result = 'result' in settlement ? utf8Bytes(settlement.result) : 0
  const error = 'error' in settlement ? utf8Bytes(JSON.stringify(settlement.error)) : 0
  return SETTLEMENT_BYTES + result + error + utf8Bytes(settlement.progress ?? '')
}
