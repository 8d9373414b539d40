import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type OtherRuntime, otherRuntimes } from '../../tests/support/runtimes.ts'

const PACKAGE = fileURLToPath(new URL('./node_modules/bullmq', import.meta.url))

/** The Node that BullMQ is driven on; throws where it or BullMQ is not installed. */
export function nodeForBullMq(): OtherRuntime {
  const node = otherRuntimes().find(({ name }) => name.startsWith('node 22')) ?? otherRuntimes()[0]
  if (!node?.name.startsWith('node'))
    throw new Error('expected Node 22.18 or newer, got none: npm ci --prefix tests/runtimes, or TQ_RUNTIMES')
  if (!existsSync(PACKAGE)) throw new Error('expected BullMQ, got none: npm ci --prefix bench/bullmq')
  return node
}
