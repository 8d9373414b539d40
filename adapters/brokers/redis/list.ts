import { type JobFilter, type JobPage, MAX_BATCH_BYTES } from '../../../src/broker.ts'
import { type JobRecord, utf8Bytes } from '../../../src/job.ts'
import { checkWhole } from '../../../src/whole.ts'
import { isFinished } from '../../../src/words.ts'
import type { Keys } from './keys.ts'
import {
  createPlaceReader,
  type Entry,
  fromCursor,
  type PlaceReader,
  type Position,
  toCursor,
  windowOf,
} from './places.ts'
import { readTexts, type Texts } from './read.ts'
import type { Rest } from './rest.ts'

const MAX_PAGE = 1_000
const DEFAULT_PAGE = 50
/** What a page may look at, whatever its filter leaves out: jobs, and places. */
const MAX_LOOKED_AT = 1_000
const MAX_PLACES = 100
/** With a filter, how many jobs to look at in one go: most of them may be others. */
const LOOK_AT_ONCE = 250

interface ListOptions {
  readonly rest: Rest
  readonly keys: Keys
  readonly readRecords: (ids: readonly string[]) => Promise<Texts>
  readonly toRecords: (ids: readonly string[], texts: Texts) => Promise<readonly (JobRecord | null)[]>
}

/**
 * Lists jobs place by place, newest first within each. A page is short where it has looked at as much as it may, or the jobs are
 * large: the cursor says whether there is more.
 */
export async function listJobs(
  { rest, keys, readRecords, toRecords }: ListOptions,
  filter: JobFilter,
): Promise<JobPage> {
  const { limit = DEFAULT_PAGE, cursor } = filter
  checkWhole('limit', limit, 1, MAX_PAGE)
  const reader = createPlaceReader(rest, keys, filter)
  const first = cursor === undefined ? await reader.after(undefined) : undefined
  let position = cursor === undefined ? first && { place: first } : fromCursor(cursor)
  const jobs = new Map<string, JobRecord>()
  let [looked, places, bytes] = [0, 0, 0]
  const isFull = (more: number) => bytes + more > MAX_BATCH_BYTES

  while (position && jobs.size < limit && looked < MAX_LOOKED_AT && places < MAX_PLACES && !isFull(0)) {
    const wanted = Math.min(MAX_LOOKED_AT - looked, Math.max(limit - jobs.size, isNarrow(filter) ? LOOK_AT_ONCE : 0))
    const gathered = await gather(reader, position, wanted, MAX_PLACES - places)
    const ids = gathered.entries.map(({ id }) => id)
    const texts = ids.length > 0 ? await readTexts(ids, readRecords, isFull) : []
    bytes = texts.reduce((sum, text) => sum + utf8Bytes(text ?? ''), bytes)
    const records = await toRecords(ids.slice(0, texts.length), texts)
    const elsewhere = await failedElsewhere(gathered.entries, records)
    places += gathered.places
    position = texts.length === ids.length ? gathered.next : position
    for (const [at, record] of records.entries()) {
      const entry = gathered.entries[at] as Entry
      looked++
      const isToldElsewhere = record !== null && isWindow(entry) && elsewhere.has(record.id)
      if (record && standsThere(entry, record) && !isToldElsewhere && matches(record, filter))
        jobs.set(record.id, record)
      if (texts.length < ids.length || (jobs.size === limit && at + 1 < ids.length)) position = entry.position
      if (jobs.size === limit) break
    }
  }
  return { jobs: [...jobs.values()], cursor: position ? toCursor(position) : null }

  /** Those that failed lately stand in a list of their own as well: they have been told of. */
  async function failedElsewhere(
    entries: readonly Entry[],
    records: readonly (JobRecord | null)[],
  ): Promise<ReadonlySet<string>> {
    const failed = records.filter((record, at) => record?.state === 'failed' && isWindow(entries[at] as Entry))
    const found = new Set<string>()
    for (const queue of new Set(failed.map((record) => record?.queue ?? ''))) {
      const ids = failed.flatMap((record) => (record?.queue === queue ? [record.id] : []))
      const scores = await rest.list(['ZMSCORE', keys.queue(queue, 'f'), ...ids])
      for (const [at, id] of ids.entries()) if (scores[at]) found.add(id)
    }
    return found
  }
}

interface Gathered {
  readonly entries: readonly Entry[]
  /** Where to go on behind them; null at the end of all places. */
  readonly next: Position | null
  readonly places: number
}

/** Entries of one place after the other, until there are so many. */
async function gather(reader: PlaceReader, from: Position, wanted: number, maxPlaces: number): Promise<Gathered> {
  const entries: Entry[] = []
  let next: Position | null = from
  let places = 0
  while (next && entries.length < wanted && places < maxPlaces) {
    const count = wanted - entries.length
    const some = await reader.read(next, count)
    entries.push(...some)
    places++
    const last: Position = some.at(-1)?.position ?? next
    const place: string | null = some.length < count ? await reader.after(last.place) : last.place
    next = place === last.place ? last : place === null ? null : { place }
  }
  return { entries, next, places }
}

/** An entry may be one that its job has left behind: the job stands elsewhere then, and is told of there. */
function standsThere(entry: Entry, { state, epoch, atMs, finishedAtMs }: JobRecord): boolean {
  if (isWindow(entry)) return isFinished(state) && entry.position.place === windowOf(atMs ?? 0, finishedAtMs ?? 0)
  if (entry.position.place.startsWith('f:')) return state === 'failed'
  return !isFinished(state) && (entry.epoch === undefined || (state !== 'active' && entry.epoch === epoch))
}

const isWindow = ({ position }: Entry) => position.place.startsWith('x:')

const isNarrow = ({ limit: _, cursor: __, ...filter }: JobFilter) =>
  Object.values(filter).some((value) => value !== undefined)

function matches(record: JobRecord, filter: JobFilter): boolean {
  const { states, queue, task, tag, createdFromMs, createdToMs, finishedFromMs, finishedToMs } = filter
  return (
    (!states || states.includes(record.state)) &&
    (queue === undefined || record.queue === queue) &&
    (task === undefined || record.task === task) &&
    (tag === undefined || record.tags.includes(tag)) &&
    isWithin(record.createdAtMs, createdFromMs, createdToMs) &&
    isWithin(record.finishedAtMs, finishedFromMs, finishedToMs)
  )
}

function isWithin(ms: number | null, fromMs: number | undefined, toMs: number | undefined): boolean {
  if (ms === null) return fromMs === undefined && toMs === undefined
  return (fromMs === undefined || ms >= fromMs) && (toMs === undefined || ms < toMs)
}
