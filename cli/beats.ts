/** What `tq schedules` says of the beats that fire them. */
import type { SeenBeat } from '../src/broker.ts'
import { toDuration } from './times.ts'

/** A note for each of these apps, which have schedules to fire, that for so long has had no beat. */
export function notesOnBeats(
  apps: ReadonlySet<string>,
  beats: readonly SeenBeat[],
  withinMs: number,
): readonly string[] {
  return [...apps].flatMap((app) => {
    const agoMs = beats.find((beat) => beat.app === app)?.agoMs
    if (agoMs !== undefined && agoMs <= withinMs) return []
    const when = agoMs === undefined ? 'so far' : `for ${toDuration(agoMs)}`
    return [`no beat of "${app}" has been there ${when}: nothing fires its schedules until a tq beat or a cron does`]
  })
}
