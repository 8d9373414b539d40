import { MAX_BATCH_BYTES, MAX_BATCH_JOBS } from './broker.ts'

/** Cuts items into batches that one call of the contract may carry. */
export function toBatches<T>(items: readonly T[], bytesOf: (item: T) => number): readonly (readonly T[])[] {
  const batches: T[][] = []
  let bytes = 0
  for (const item of items) {
    const itemBytes = bytesOf(item)
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
