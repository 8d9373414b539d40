import type { BeatPresence, SeenBeat } from '../../../src/broker.ts'
import { BEAT_SEEN_MS, toSeenBeats } from '../seen-beats.ts'
import type { Driver } from './driver.ts'

/** Of each app the last one stays, for who asks since when there has been none. */
const FORGET_GONE = `
delete from tq_beat where seenAtMs <= ? and seenAtMs < (select max(seenAtMs) from tq_beat as other where other.app = tq_beat.app)`

/** A beat says that it is there. */
export function markBeat(driver: Driver, { beat, app, runtime, startedAtMs }: BeatPresence, nowMs: number): void {
  driver.run(
    'insert into tq_beat (app, beat, runtime, startedAtMs, seenAtMs) values (?, ?, ?, ?, ?) on conflict do update set runtime = excluded.runtime, startedAtMs = excluded.startedAtMs, seenAtMs = excluded.seenAtMs',
    app,
    beat,
    runtime,
    startedAtMs,
    nowMs,
  )
  driver.run(FORGET_GONE, nowMs - BEAT_SEEN_MS)
}

export function beatsStep(driver: Driver, nowMs: number): SeenBeat[] {
  const rows = driver.all('select * from tq_beat')
  const marks = rows.map(({ app, beat, runtime, startedAtMs, seenAtMs }) => ({
    beat: String(beat),
    app: String(app),
    runtime: String(runtime),
    startedAtMs: Number(startedAtMs),
    seenAtMs: Number(seenAtMs),
  }))
  return toSeenBeats(marks, nowMs)
}
