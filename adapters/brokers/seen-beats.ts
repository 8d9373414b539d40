import type { BeatPresence, SeenBeat } from '../../src/broker.ts'

/** How long a beat is said to be there that says nothing more: it does so every 80 s at least. */
export const BEAT_SEEN_MS = 180_000

/** What was marked of a beat, and when. */
export type BeatMark = BeatPresence & { readonly seenAtMs: number }

/** Those that were here lately, and of each app the last one that was, however long ago; the newest first. */
export function toSeenBeats(marks: readonly BeatMark[], nowMs: number): SeenBeat[] {
  const newest = [...marks].sort((a, b) => b.seenAtMs - a.seenAtMs || (a.beat < b.beat ? -1 : 1))
  const apps = new Set<string>()
  return newest.flatMap((mark) => {
    const isLast = apps.size < apps.add(mark.app).size
    const agoMs = Math.max(0, nowMs - mark.seenAtMs)
    return isLast || agoMs < BEAT_SEEN_MS ? [{ ...mark, agoMs }] : []
  })
}
