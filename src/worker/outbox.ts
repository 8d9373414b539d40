import { MAX_BATCH_BYTES, type Settlement } from '../broker.ts'
import { isTqError } from '../errors.ts'
import { toJobError, utf8Bytes } from '../job.ts'

const MAX_SETTLEMENTS = 500
/** What a settlement weighs besides its texts: numbers, punctuation. */
const SETTLEMENT_BYTES = 100

/** What has finished and waits for the next exchange. */
export interface Outbox {
  readonly length: number
  /** With the size of the record that the broker has to read to settle it. */
  add(settlement: Settlement, recordBytes?: number): void
  /** Takes what one exchange may carry, oldest first. */
  take(maxBytes?: number): readonly Settlement[]
  /**
   * Puts back, in front, what an exchange has failed to deliver. What was too large goes in smaller parts; one that is too
   * large by itself is settled as failed, or it would be sent again for ever and nothing behind it would ever be settled.
   */
  giveBack(settlements: readonly Settlement[], error: Error): void
  clear(): void
}

export function createOutbox(): Outbox {
  const waiting: Settlement[] = []
  const recordBytes = new WeakMap<Settlement, number>()
  let limit = MAX_SETTLEMENTS
  return {
    get length() {
      return waiting.length
    },
    add(settlement, bytes = 0) {
      recordBytes.set(settlement, bytes)
      waiting.push(settlement)
    },
    take(maxBytes = MAX_BATCH_BYTES) {
      let count = 0
      // Bounded in bytes as well, but the first one always goes: none may be too large to be settled at all.
      for (let bytes = 0; count < Math.min(waiting.length, limit); count++) {
        const settlement = waiting[count] as Settlement
        bytes += settlementBytes(settlement) + (recordBytes.get(settlement) ?? 0)
        if (count > 0 && bytes > maxBytes) break
      }
      limit = MAX_SETTLEMENTS
      return waiting.splice(0, count)
    },
    giveBack(settlements, error) {
      const [only, ...others] = settlements
      const tooLarge = isTqError(error, 'TooLarge') && only !== undefined
      if (tooLarge && others.length > 0) limit = Math.ceil(settlements.length / 2)
      waiting.unshift(...(tooLarge && others.length === 0 ? [failedAs(only, error)] : settlements))
    },
    clear() {
      waiting.length = 0
    },
  }
}

const FAILED_KEPT_MS = 7 * 86_400_000

/** Without the result and the progress that did not fit. */
function failedAs({ id, epoch }: Settlement, error: Error): Settlement {
  return { kind: 'failed', id, epoch, error: toJobError(error), keepMs: FAILED_KEPT_MS }
}

function settlementBytes(settlement: Settlement): number {
  const result = 'result' in settlement ? utf8Bytes(settlement.result) : 0
  const error = 'error' in settlement ? utf8Bytes(JSON.stringify(settlement.error)) : 0
  return SETTLEMENT_BYTES + result + error + utf8Bytes(settlement.progress ?? '')
}
