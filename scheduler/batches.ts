import { MAX_BATCH_BYTES, MAX_BATCH_JOBS } from '../src/broker.ts'
import { utf8Bytes } from '../src/job.ts'

/** What an item weighs in a call besides its text: names, ids, numbers, punctuation. */
const ENVELOPE_BYTES = 1_000

/** Cuts items into batches that one call of the contract may carry; `textOf` is an item's one text of any length. */
export function toBatches<T>(items: readonly T[], textOf: (item: T) => string): readonly (readonly T[])[] {
  const batches: T[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const item of items) {
    const itemBytes = ENVELOPE_BYTES + utf8Bytes(textOf(item))
    const last = batches.at(-1)
    if (last && last.length < MAX_BATCH_JOBS && bytes + itemBytes <= MAX_BATCH_BYTES) {
      last.push(item)
      bytes += itemBytes
    } else {
      batches.push([item])
      bytes = itemBytes
    }
  }
  return batches
}
