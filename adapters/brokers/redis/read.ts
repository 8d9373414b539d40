import { MAX_BATCH_BYTES, MAX_BATCH_JOBS } from '../../../src/broker.ts'
import { isTqError } from '../../../src/errors.ts'
import { utf8Bytes } from '../../../src/job.ts'
import { notOurs } from './rest.ts'

/** So many records of the largest that are allowed by default are within one reply. */
export const FIRST_READ = 8
const GROWTH = 16

export type Texts = readonly (string | null)[]

/**
 * Reads texts whose sizes nobody knows: few at first, more the smaller they turn out, and half as many where the server finds
 * them too many. `enough` ends it before all are read.
 *
 * Throws `TooLarge` for one that no reply can carry.
 */
export async function readTexts(
  names: readonly string[],
  send: (some: readonly string[]) => Promise<Texts>,
  enough: (bytes: number) => boolean = () => false,
): Promise<Texts> {
  const texts: (string | null)[] = []
  let bytes = 0
  for (let atOnce = FIRST_READ; texts.length < names.length && !enough(bytes); ) {
    const some = names.slice(texts.length, texts.length + atOnce)
    const got = await send(some).catch((error: unknown) => {
      if (some.length === 1 || !isTqError(error, 'TooLarge')) throw error
      return null
    })
    if (got === null) {
      atOnce = Math.ceil(some.length / 2)
      continue
    }
    if (got.length !== some.length) throw notOurs()
    texts.push(...got)
    const sizes = got.map((text) => utf8Bytes(text ?? ''))
    bytes = sizes.reduce((sum, size) => sum + size, bytes)
    const mostAlike = Math.floor(MAX_BATCH_BYTES / Math.max(1, ...sizes))
    atOnce = Math.max(1, Math.min(GROWTH * some.length, mostAlike, MAX_BATCH_JOBS))
  }
  return texts
}
