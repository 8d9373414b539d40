import { MAX_BATCH_BYTES, type Settlement } from '../broker.ts'
import { isTqError } from '../errors.ts'
import { toJobError, utf8Bytes } from '../job.ts'

const MAX_SETTLEMENTS = 500
/** What a settlement weighs besides its texts: an id, names, numbers. */
const SETTLEMENT_BYTES = 300

/** What has finished and waits for the next exchange. */
export interface Outbox {
  readonly length: number
  add(settlement: Settlement): void
  /** Takes what one exchange may carry, oldest first. */
  take(): readonly Settlement[]
  /**
   * Puts back, in front, what an exchange has failed to deliver. What was too large goes in smaller parts; one that is too
   * large by itself is settled as failed, or it would be sent again for ever and nothing behind it would ever be settled.
   */
  giveBack(settlements: readonly Settlement[], error: Error): void
  clear(): void
}

export function createOutbox(): Outbox {
  const waiting: Settlement[] = []
  let limit = MAX_SETTLEMENTS
  return {
    get length() {
      return waiting.length
    },
    add: (settlement) => void waiting.push(settlement),
    take() {
      let count = 0
      // Bounded in bytes as well, but the first one always goes: none may be too large to be settled at all.
      for (let bytes = 0; count < Math.min(waiting.length, limit); count++) {
        bytes += settlementBytes(waiting[count] as Settlement)
        if (count > 0 && bytes > MAX_BATCH_BYTES) break
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
