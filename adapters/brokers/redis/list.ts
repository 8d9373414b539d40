import { type JobFilter, type JobPage, MAX_BATCH_BYTES } from '../../../src/broker.ts'
import { InvalidOption } from '../../../src/errors.ts'
import { type JobRecord, utf8Bytes } from '../../../src/job.ts'
import type { Keys, QueuePlace } from './keys.ts'
import { readTexts, type Texts } from './read.ts'
import type { Rest } from './rest.ts'

/** Where jobs of a state are listed; finished ones stand in the lists of when their records expire. */
const PLACES: readonly QueuePlace[] = ['r', 'p', 'l', 't', 'f']
const MAX_PAGE = 1_000
const DEFAULT_PAGE = 50
const WINDOWS_AT_ONCE = 100_000

interface ListOptions {
  readonly rest: Rest
  readonly keys: Keys
  readonly readRecords: (ids: readonly string[]) => Promise<Texts>
  readonly toRecords: (ids: readonly string[], texts: Texts) => Promise<readonly (JobRecord | null)[]>
}

/** A place to read ids from: a queue's, or a window of finished jobs. */
interface Place {
  readonly key: string
  readonly kind: 'list' | 'zset'
}

/**
 * Lists jobs place by place, newest first within each. The cursor is `place:offset`; a page may be short where a filter leaves
 * jobs out or the jobs are large, and the cursor says whether there is more.
 */
export async function listJobs(
  { rest, keys, readRecords, toRecords }: ListOptions,
  filter: JobFilter,
): Promise<JobPage> {
  const { limit = DEFAULT_PAGE, cursor = '0:0', states, queue, task } = filter
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= MAX_PAGE))
    throw new InvalidOption('limit', `a whole number from 1 to ${MAX_PAGE}`, String(limit))
  if (!/^\d{1,9}:\d{1,15}$/.test(cursor))
    throw new InvalidOption('cursor', 'the cursor of an earlier page', 'another text')
  const places = await allPlaces(rest, keys, queue)
  const [first = 0, skip = 0] = cursor.split(':').map(Number)
  const jobs = new Map<string, JobRecord>()
  let [at, offset] = [first, skip]
  let bytes = 0
  const isFull = (more: number) => bytes + more > MAX_BATCH_BYTES
  for (; at < places.length; at++, offset = 0) {
    for (;;) {
      const wanted = limit - jobs.size
      if (wanted === 0 || isFull(0)) return { jobs: [...jobs.values()], cursor: `${at}:${offset}` }
      const ids = await readPlace(rest, places[at] as Place, offset, wanted)
      const texts = ids.length > 0 ? await readTexts(ids, readRecords, isFull) : []
      bytes = texts.reduce((sum, text) => sum + utf8Bytes(text ?? ''), bytes)
      for (const record of await toRecords(ids.slice(0, texts.length), texts))
        if (record && matches(record, { states, queue, task } as JobFilter)) jobs.set(record.id, record)
      offset += texts.length
      if (texts.length === ids.length && ids.length < wanted) break
    }
  }
  return { jobs: [...jobs.values()], cursor: null }
}

async function allPlaces(rest: Rest, keys: Keys, queue: string | undefined): Promise<Place[]> {
  const queues =
    queue === undefined ? ((await rest.list(['SMEMBERS', keys.named('queues')])) as string[]).sort() : [queue]
  const windows = await readWindows(rest, keys.named('windows'))
  return [
    ...queues.flatMap((name) =>
      PLACES.map((place): Place => ({ key: keys.queue(name, place), kind: place === 'r' ? 'list' : 'zset' })),
    ),
    ...windows.map((window): Place => ({ key: keys.named(`x:${window}`), kind: 'list' })),
  ]
}

/** There is one for every ten seconds that something is kept until. */
async function readWindows(rest: Rest, key: string): Promise<string[]> {
  const windows: string[] = []
  for (let more = true; more; ) {
    const some = await rest.list(['ZRANGE', key, windows.length, windows.length + WINDOWS_AT_ONCE - 1, 'REV'])
    for (const window of some as string[]) windows.push(window)
    more = some.length === WINDOWS_AT_ONCE
  }
  return windows
}

async function readPlace(rest: Rest, { key, kind }: Place, offset: number, count: number): Promise<string[]> {
  const entries = (await rest.list(
    kind === 'list'
      ? ['LRANGE', key, -(offset + count), -(offset + 1)]
      : ['ZRANGE', key, offset, offset + count - 1, 'REV'],
  )) as string[]
  const ids = entries.map(toId)
  return kind === 'list' ? ids.reverse() : ids
}

/** Of an entry as `lua.ts` describes it, or of a ranked one: seventeen digits, a tab, the entry. */
function toId(entry: string): string {
  return entry.replace(/^\d{17}\t/, '').split('\t')[0] ?? entry
}

function matches(record: JobRecord, { states, queue, task }: JobFilter): boolean {
  return (
    (!states || states.includes(record.state)) &&
    (queue === undefined || record.queue === queue) &&
    (task === undefined || record.task === task)
  )
}
