/**
 * What becomes of jobs, where the broker is to keep it: the stream `events` has an entry for each step that has changed any, of lines.
 * A line that begins with a tab says of which queue and task those after it are; any other is the state's letter as in a record (`a`
 * active), the attempts that have ended (empty for 0), a tab, and the job's id.
 *
 * An entry's id is the time. A cursor is that and the place in the entry, in digits of one length, so that cursors sort.
 *
 * @module
 */
import { MAX_BATCH_BYTES, type Transition, type TransitionPage, type TransitionQuery } from '../../../src/broker.ts'
import { InvalidOption, isTqError } from '../../../src/errors.ts'
import { utf8Bytes } from '../../../src/job.ts'
import type { Keys } from './keys.ts'
import { STATES } from './record.ts'
import type { Rest } from './rest.ts'

/** However many jobs a step changes, so many steps are kept: who reads them once a second misses none of them. */
const MIN_STEPS = 100
/** What one entry may tell: a cursor has room for it. */
const MAX_PLACES = 9_999
/** But not of more bytes than a key may well have. */
const MAX_STREAM_BYTES = 50_000_000

/**
 * In every script: `tell(state, id, r)` notes what a job has become, `r` has its queue, meta and attempts. `flushTold()` writes all of a step
 * at once: one command, XADD, or more for more than a cursor tells apart. The more a step has told, the fewer steps are kept, so that those kept are of some `maxEvents` jobs.
 */
export const TELL = `
local function tell() end
local flushTold = tell
if maxEvents then
  local parts, told, toldOf = {}, {}, ''
  tell = function(state, id, r, attempts)
    ${'' /* As many as the places of a cursor: with lines that say of which queue. */}
    if #told > ${MAX_PLACES - 2} then parts[#parts + 1] = told; told, toldOf = {}, '' end
    local of = '\\t' .. r.queue .. '\\t' .. task(r.meta)
    if of ~= toldOf then told[#told + 1] = of; toldOf = of end
    told[#told + 1] = state .. field(attempts or r.attempts) .. '\\t' .. id
  end
  ${'' /* What a step has done stands, whatever ails the stream: an error here would have it sent again, and find nothing to do. */}
  flushTold = function()
    if #told == 0 then return end
    parts[#parts + 1] = told
    for _, some in ipairs(parts) do
      local text = table.concat(some, '\\n')
      local steps = math.ceil(math.min(math.max(${MIN_STEPS}, maxEvents / #some), ${MAX_STREAM_BYTES} / #text))
      redis.pcall('XADD', prefix .. 'events', 'MAXLEN', '~', int(steps), ARGV[2] == '' and '*' or ARGV[2] .. '-*', 'e', text)
    end
    ${'' /* For whoever reads them: who is hinted anyway takes it along. */}
    if #hints > 0 then hint('events') end
  end
end
`

type StreamEntry = readonly [id: string, fields: readonly [name: 'e', text: string]]

const DEFAULT_PAGE = 1_000
const STEPS_FIRST = 20
const STEPS_LAST = 1_000
const GROWTH = 8
const CURSOR = /^(\d{13})-(\d{8})-(\d{4})$/

/** Reads the stream. How many steps one call may bring follows from how large the last ones were. */
export function createTransitionReader(rest: Rest, keys: Keys): (query?: TransitionQuery) => Promise<TransitionPage> {
  let atOnce = STEPS_FIRST

  async function readSteps(from: string): Promise<{ entries: readonly StreamEntry[]; isFull: boolean }> {
    try {
      const range = [from, '+', 'COUNT', atOnce]
      const entries = (await rest.list(['XRANGE', keys.named('events'), ...range])) as StreamEntry[]
      const isFull = entries.length === atOnce
      const largest = Math.max(1, ...entries.map(([, [, text]]) => utf8Bytes(text)))
      const fitting = Math.floor(MAX_BATCH_BYTES / largest)
      atOnce = Math.max(STEPS_FIRST, Math.min(GROWTH * entries.length, fitting, STEPS_LAST))
      return { entries, isFull }
    } catch (error) {
      if (atOnce === 2 || !isTqError(error, 'TooLarge')) throw error
      atOnce = Math.max(2, Math.ceil(atOnce / 2))
      return readSteps(from)
    }
  }

  async function present(): Promise<string> {
    const entries = (await rest.list(['XREVRANGE', keys.named('events'), '+', '-', 'COUNT', 1])) as StreamEntry[]
    return entries.flatMap(toTransitions).at(-1)?.cursor ?? toCursor('0-0', 0)
  }

  return async ({ after, limit = DEFAULT_PAGE } = {}) => {
    if (after === undefined) return { transitions: [], cursor: await present(), more: false }
    const from = stepOf(after)
    const { entries, isFull } = await readSteps(from)
    // Read once more, the step that was read last shows that none after it has gone.
    const gap = from !== '0-0' && entries[0]?.[0] !== from
    const fresh = entries.flatMap(toTransitions).filter(({ cursor }) => cursor > after)
    const transitions = fresh.slice(0, limit)
    const cursor = transitions.at(-1)?.cursor ?? (entries.length > 0 ? after : toCursor('0-0', 0))
    const more = isFull || fresh.length > limit
    return { transitions, cursor, more, ...(gap ? { gap } : {}) }
  }
}

/** Throws `InvalidOption` for a text that is no cursor of ours. */
function stepOf(cursor: string): string {
  const [, ms, seq] = CURSOR.exec(cursor) ?? []
  if (ms === undefined) throw new InvalidOption('after', 'the cursor of an earlier event', 'another text')
  return `${Number(ms)}-${Number(seq)}`
}

function toCursor(step: string, place: number): string {
  const [ms = '', seq = ''] = step.split('-')
  return `${ms.padStart(13, '0')}-${seq.padStart(8, '0')}-${String(place).padStart(4, '0')}`
}

function toTransitions([step, [, text]]: StreamEntry): Transition[] {
  const transitions: Transition[] = []
  let [queue, task] = ['', '']
  for (const line of text.split('\n')) {
    const [head = '', first = '', second = ''] = line.split('\t')
    if (head === '') [queue, task] = [first, second]
    else {
      const cursor = toCursor(step, transitions.length + 1)
      const state = head[0] === 'a' ? 'active' : (STATES[head[0] ?? ''] ?? 'removed')
      const attempts = Number(head.slice(1))
      transitions.push({ cursor, atMs: Number(step.split('-')[0]), id: first, task, queue, state, attempts })
    }
  }
  return transitions
}
