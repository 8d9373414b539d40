import type { BeatPresence, SeenBeat } from '../../../src/broker.ts'
import { type BeatMark, toSeenBeats } from '../seen-beats.ts'
import type { Keys } from './keys.ts'
import type { Rest } from './rest.ts'

/**
 * The marks of beats: a hash, `beat|app` to `seenAtMs|` and what the beat says of itself. One that is there for the first time takes
 * out those that have gone, so that the hash holds the beats that run, and the last one of each app.
 */
export interface BeatMarks {
  /** One command; two or three for a beat's first mark. */
  mark(presence: BeatPresence, nowMs: number): Promise<void>
  seen(now: () => Promise<number>): Promise<readonly SeenBeat[]>
}

export function createBeatMarks(rest: Rest, keys: Keys): BeatMarks {
  const key = keys.named('beats')

  async function forgetGone(nowMs: number): Promise<void> {
    const fields = toMarks(await rest.list(['HGETALL', key]))
    const kept = new Set(toSeenBeats([...fields.values()], nowMs).map(toField))
    const gone = [...fields.keys()].filter((field) => !kept.has(field))
    if (gone.length > 0) await rest.command(['HDEL', key, ...gone])
  }

  return {
    async mark(presence, nowMs) {
      const added = await rest.command(['HSET', key, toField(presence), `${nowMs}|${JSON.stringify(presence)}`])
      if (Number(added) > 0) await forgetGone(nowMs)
    },
    async seen(now) {
      const fields = toMarks(await rest.list(['HGETALL', key]))
      return toSeenBeats([...fields.values()], await now())
    },
  }
}

const toField = ({ beat, app }: BeatPresence) => `${beat}|${app}`

function toMarks(flat: readonly unknown[]): Map<string, BeatMark> {
  const marks = new Map<string, BeatMark>()
  for (let at = 0; at < flat.length; at += 2) {
    const text = flat[at + 1] as string
    const end = text.indexOf('|')
    const presence = JSON.parse(text.slice(end + 1)) as BeatPresence
    marks.set(flat[at] as string, { ...presence, seenAtMs: Number(text.slice(0, end)) })
  }
  return marks
}
