/**
 * Where jobs stand, read a few ids at a time, newest first within each place. A position outlives what happens to the place meanwhile: jobs
 * that are added, claimed or changed shift nobody out of the pages to come.
 *
 * @module
 */
import { type JobFilter, STUB_MS } from '../../../src/broker.ts'
import { InvalidOption } from '../../../src/errors.ts'
import { isFinished, type JobState } from '../../../src/words.ts'
import type { Keys, QueuePlace } from './keys.ts'
import type { Rest } from './rest.ts'

/** Of a queue; jobs that have finished stand in the windows of when their records expire, those that failed lately in `f` as well. */
const PLACES = ['r', 'p', 'l', 't', 'f'] as const
/** What is due stays `scheduled` in its record until it is claimed, and what has lost several leases is parked among the leases. */
const PLACES_OF: Readonly<Partial<Record<JobState, readonly QueuePlace[]>>> = {
  queued: ['r', 'p'],
  scheduled: ['r', 'p', 't'],
  blocked: ['t'],
  retrying: ['r', 'p', 'l', 't'],
  active: ['l'],
  failed: ['f'],
  succeeded: [],
  cancelled: [],
  expired: [],
}
const WINDOWS_AT_ONCE = 100
const WINDOW_MS = 10_000

/** Where a page ended: in a place, behind so many entries of a list or behind an entry of a sorted set. */
export interface Position {
  /** A queue's place, as `place:queue`, or `x:window`. */
  readonly place: string
  readonly offset?: number
  /** Score and text of the entry, and how many of that score there were up to it. */
  readonly behind?: readonly [score: string, member: string, count: number]
}

/** A place's entry: a job that stands there, or once did. */
export interface Entry {
  readonly id: string
  /** That of the job while it stood there; undefined where the place does not say. */
  readonly epoch: number | undefined
  readonly position: Position
}

export interface PlaceReader {
  /** Up to so many entries behind the position; fewer mean that the place has come to its end. */
  read(from: Position, count: number): Promise<readonly Entry[]>
  /** The place to go on with, null when there is no further one. */
  after(place: string | undefined): Promise<string | null>
}

export function createPlaceReader(rest: Rest, keys: Keys, filter: JobFilter): PlaceReader {
  const { queue, finishedFromMs, finishedToMs } = filter
  const kinds = kindsFor(filter)
  const oldest = finishedFromMs === undefined ? '-inf' : Math.floor((finishedFromMs + STUB_MS) / WINDOW_MS)
  let queues: readonly string[] | undefined
  let windows: readonly string[] = []

  async function nextOfQueues(place: string | undefined): Promise<string | null> {
    queues ??=
      queue === undefined ? ((await rest.list(['SMEMBERS', keys.named('queues')])) as string[]).sort() : [queue]
    const [kind, name] = place === undefined ? ['', ''] : split(place)
    for (const one of queues)
      for (const other of kinds)
        if (one > name || (one === name && PLACES.indexOf(other) > PLACES.indexOf(kind as never)))
          return `${other}:${one}`
    return null
  }

  const readWindows = async (before: string) => {
    const range = [before, oldest, 'BYSCORE', 'REV', 'LIMIT', 0, WINDOWS_AT_ONCE]
    return (await rest.list(['ZRANGE', keys.named('windows'), ...range])) as string[]
  }

  async function nextWindow(place: string | undefined): Promise<string | null> {
    if (!hasWindows(filter)) return null
    const before = place === undefined ? '+inf' : `(${split(place)[1]}`
    windows = `x:${windows[0]}` === place ? windows.slice(1) : []
    if (windows.length === 0) windows = await readWindows(before)
    return windows[0] === undefined ? null : `x:${windows[0]}`
  }

  async function readList(key: string, { place, offset = 0 }: Position, count: number): Promise<readonly Entry[]> {
    const entries = (await rest.list(['LRANGE', key, -(offset + count), -(offset + 1)])) as string[]
    return entries
      .reverse()
      .map((text, at) => ({ ...parseEntry(text, place), position: { place, offset: offset + at + 1 } }))
  }

  /** Starts with the entry it is to be behind, to know the spot; goes back where what stood before it has gone meanwhile. */
  async function readSorted(key: string, { place, behind }: Position, count: number): Promise<readonly Entry[]> {
    const isFailed = split(place)[0] === 'f'
    const lowest = isFailed && finishedFromMs !== undefined ? finishedFromMs : '-inf'
    const highest = behind?.[0] ?? (isFailed && finishedToMs !== undefined ? `(${finishedToMs}` : '+inf')
    for (let skip = Math.max(0, (behind?.[2] ?? 0) - 1); ; ) {
      const wanted = count + 1
      const range = [highest, lowest, 'BYSCORE', 'REV', 'LIMIT', skip, wanted, 'WITHSCORES']
      const flat = (await rest.list(['ZRANGE', key, ...range])) as string[]
      const rows = toRows(flat, behind?.[0], skip)
      const fresh = behind ? rows.filter((row) => isBehind(row, behind)) : rows
      if (skip > 0 && fresh.length === rows.length) skip = Math.max(0, skip - wanted)
      else if (fresh.length === 0 && rows.length === wanted) skip += wanted
      else
        return fresh.slice(0, count).map((row) => ({ ...parseEntry(row[1], place), position: { place, behind: row } }))
    }
  }

  return {
    read(from, count) {
      const [kind, name] = split(from.place)
      if (kind === 'x') return readList(keys.named(from.place), from, count)
      const key = keys.queue(name, kind as QueuePlace)
      return kind === 'r' ? readList(key, from, count) : readSorted(key, from, count)
    },
    after: async (place) =>
      (place?.startsWith('x:') ? null : await nextOfQueues(place)) ??
      nextWindow(place?.startsWith('x:') ? place : undefined),
  }
}

type Row = readonly [score: string, member: string, count: number]

function toRows(flat: readonly string[], first: string | undefined, skip: number): Row[] {
  const rows: Row[] = []
  let [score, count] = [first, skip]
  for (let at = 0; at < flat.length; at += 2) {
    const own = String(flat[at + 1])
    count = own === score ? count + 1 : 1
    score = own
    rows.push([own, flat[at] as string, count])
  }
  return rows
}

/** In the order of a sorted set from its end: entries of one score by their bytes. */
function isBehind([score, member]: Row, [lastScore, lastMember]: Row): boolean {
  return score === lastScore ? compareBytes(member, lastMember) < 0 : Number(score) < Number(lastScore)
}

function compareBytes(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => new TextEncoder().encode(text)) as [Uint8Array, Uint8Array]
  const at = left.findIndex((byte, index) => byte !== right[index])
  return at < 0 ? left.length - right.length : (left[at] as number) - (right[at] ?? -1)
}

function kindsFor({ states, finishedFromMs, finishedToMs }: JobFilter): readonly (typeof PLACES)[number][] {
  if (finishedFromMs !== undefined || finishedToMs !== undefined)
    return !states || states.includes('failed') ? ['f'] : []
  const wanted = states?.map((state) => PLACES_OF[state] ?? PLACES)
  return PLACES.filter((place) => !wanted || wanted.some((places) => places.includes(place)))
}

const hasWindows = ({ states }: JobFilter) => !states || states.some(isFinished)

/** As `lua.ts` describes it. One that is ranked begins with seventeen digits and a tab. */
function parseEntry(text: string, place: string): Pick<Entry, 'id' | 'epoch'> {
  const [kind] = split(place)
  const [id = text, epoch = '0'] = (kind === 'p' ? text.slice(text.indexOf('\t') + 1) : text).split('\t')
  return { id, epoch: kind === 'r' || kind === 'p' || kind === 't' ? Number(epoch) : undefined }
}

/** The window of a job that has finished: when nothing of it is kept any more, not even its stub. */
export function windowOf(expiresAtMs: number, finishedAtMs: number): string {
  return `x:${Math.floor(Math.max(expiresAtMs, finishedAtMs + STUB_MS) / WINDOW_MS)}`
}

function split(place: string): [kind: string, name: string] {
  return [place.slice(0, 1), place.slice(2)]
}

/** A place to begin at, or behind the one where a page ended. */
export function toCursor({ place, offset = 0, behind }: Position): string {
  return encodeURIComponent(JSON.stringify([place, ...(behind ?? [offset])]))
}

const PLACE = /^[rpltfx]:.{1,200}$/s

/** Throws `InvalidOption` for a text that is no cursor of ours. */
export function fromCursor(cursor: string): Position {
  const fields = parseCursor(cursor)
  const [place, first, member, count] = fields
  if (typeof place === 'string' && PLACE.test(place)) {
    if (fields.length === 2 && isCount(first)) return { place, offset: first }
    if (fields.length === 4 && isScore(first) && typeof member === 'string' && isCount(count))
      return { place, behind: [first, member, count] }
  }
  throw new InvalidOption('cursor', 'the cursor of an earlier page', 'another text')
}

function parseCursor(cursor: string): readonly unknown[] {
  try {
    const fields: unknown = JSON.parse(decodeURIComponent(cursor))
    return Array.isArray(fields) ? fields : []
  } catch {
    return []
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isScore = (value: unknown): value is string => typeof value === 'string' && /^-?\d{1,17}$/.test(value)
