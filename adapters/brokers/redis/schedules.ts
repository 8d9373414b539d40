import {
  type DeployMark,
  MAX_BATCH_BYTES,
  MAX_PAGE_SCHEDULES,
  type SchedulePage,
  type ScheduleQuery,
  type ScheduleRun,
  type StoredSchedule,
} from '../../../src/broker.ts'
import { checkPage, type DuePosition, toDueCursor, toDuePosition } from '../../../src/schedule-page.ts'
import type { Keys } from './keys.ts'
import { script } from './lua.ts'
import { readTexts, type Texts } from './read.ts'
import { notOurs, type Rest } from './rest.ts'
import { toRuns } from './runs.ts'

/** Inside a read: of many, as many as a claim may bring, known before they are read. The others come with the next page. */
const READ_FITTING = `
local function readFitting(names)
  local fit, bytes = #names, 0
  if #names > 3 then
    local large = redis.call('HMGET', prefix .. 'large', unpack(names))
    for i = 1, #names do
      bytes = bytes + (tonumber(large[i]) or 0)
      if bytes > ${MAX_BATCH_BYTES} then fit = math.max(1, i - 1) break end
    end
  end
  local rows, gone = {}, {}
  if fit == 0 then return rows, fit, gone end
  local texts = redis.call('HMGET', prefix .. 'schedules', unpack(names, 1, fit))
  for i = 1, fit do
    if texts[i] then rows[#rows + 1] = names[i]; rows[#rows + 1] = texts[i] else gone[#gone + 1] = names[i] end
  end
  return rows, fit, gone
end
`

/**
 * The schedules of one app that are due by now or within so long. ARGV: prefix, now, app, how long, how many, and behind which due
 * time and name, or ''. Returns { now, the next due time behind these or '', the due time and the name of the last or '', name and text each }.
 */
const READ_DUE = script(`
${READ_FITTING}
local now, key, limit, score, name = clock(ARGV[2]), prefix .. 'due:' .. ARGV[3], tonumber(ARGV[5]), ARGV[6], ARGV[7]
local untilMs, from = now + tonumber(ARGV[4]), 0
if score ~= '' then
  ${'' /* Where it has moved on, what else is due at its time is read again. */}
  if tonumber(redis.call('ZSCORE', key, name) or '') == tonumber(score) then from = redis.call('ZRANK', key, name) + 1
  else from = redis.call('ZCOUNT', key, '-inf', '(' .. score) end
end
local names = redis.call('ZRANGE', key, '-inf', int(untilMs), 'BYSCORE', 'LIMIT', from, limit)
local following = redis.call('ZRANGE', key, from + #names, from + #names, 'WITHSCORES')[2]
local rows, fit, gone = readFitting(names)
local lastDue, lastName = '', ''
if fit < #names or (following and tonumber(following) <= untilMs) then
  lastDue, lastName, following = int(tonumber(redis.call('ZSCORE', key, names[fit]))), names[fit], now
end
${'' /* Of schedules that were lost without their due times. */}
if #gone > 0 then redis.call('ZREM', key, unpack(gone)) end
return { int(now), following and int(tonumber(following)) or '', lastDue, lastName, rows }
`)

/**
 * A page of all schedules by name. What was deployed of apps stands among them, and is none. ARGV: prefix, now, behind which name or '',
 * how many. Returns { now, the last name or '', name and text each }.
 */
const READ_PAGE = script(`
${READ_FITTING}
local now, behind, limit = clock(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local all, index = prefix .. 'schedules', prefix .. 'names'
${'' /* Names are put in and taken out with their schedules, so the same number is the same names; another one was left by a version that kept no index. */}
if redis.call('ZCARD', index) ~= redis.call('HLEN', all) then
  redis.call('DEL', index)
  local known = redis.call('HKEYS', all)
  for i = 1, #known, 1000 do
    local args = {}
    for n = i, math.min(i + 999, #known) do args[#args + 1] = 0; args[#args + 1] = known[n] end
    redis.call('ZADD', index, unpack(args))
  end
end
local names = redis.call('ZRANGE', index, behind == '' and '-' or '(' .. behind, '+', 'BYLEX', 'LIMIT', 0, limit + 1)
local more = #names > limit
if more then names[#names] = nil end
local rows, fit = readFitting(names)
return { int(now), (more or fit < #names) and names[fit] or '', rows }
`)

/** What stands in a schedule's place for what was deployed of an app: whatever loses the schedules loses it as well. No schedule begins with @. */
const markOf = (app: string) => `@${app}`

/** A line like that of a removed schedule, which is what an older version takes it for. */
function toMarkText(app: string, { stampMs, digest }: DeployMark): string {
  return `1|||${stampMs}|${digest}|${app}\n`
}

/** ARGV: prefix, name, text, the text seen or ''. Returns set, existing or moved. */
const SET_DEPLOYED = script(`
local key, name, text, seen = prefix .. 'schedules', ARGV[2], ARGV[3], ARGV[4]
local found = redis.call('HGET', key, name) or ''
if found == text then return 'existing' end
if found ~= seen then return 'moved' end
redis.call('HSET', key, name, text)
if seen == '' then redis.call('ZADD', prefix .. 'names', 0, name) end
return 'set'
`)

export interface ScheduleReadsOptions {
  readonly rest: Rest
  readonly keys: Keys
  /** For scripts: '' where it is the server's. */
  readonly nowArgument: () => string
  /** Takes the server's time from a reply, and hands it on. */
  readonly learnTime: (nowMs: number) => number
  /** The server's time without asking; undefined where it has told none yet. */
  readonly knownNowMs: () => number | undefined
}

type DueReply = [now: string, next: string, lastDue: string, lastName: string, rows: string[]]

/** A tick is asked for a little before it is due by our own count; the server's clock decides. */
const DUE_SLACK_MS = 1_000

/** What the broker reads of schedules, and of what was deployed. */
export function createScheduleReads({ rest, keys, nowArgument, learnTime, knownNowMs }: ScheduleReadsOptions) {
  const key = keys.named('schedules')

  async function schedules(query: ScheduleQuery): Promise<SchedulePage> {
    const { due = false, app, names, limit, cursor } = query
    checkPage(query)
    if (names) return readNames(names, app)
    if (due && app !== undefined) return readDue(query, app)
    if (limit === undefined && cursor === undefined) return readAll(query)
    return readPage(app, limit, cursor)
  }

  const readFields = (names: readonly string[]) =>
    readTexts(names, async (some) => (await rest.list(['HMGET', key, ...some])) as Texts)

  async function readNames(names: readonly string[], app: string | undefined): Promise<SchedulePage> {
    const [texts, nowMs] = await Promise.all([readFields(names), readNowMs()])
    const rows = names.flatMap((name, at) => (texts[at] ? [name, texts[at]] : []))
    return { nowMs, schedules: toStoredSchedules(rows, app), nextDueAtMs: null, cursor: null }
  }

  /** Asks for it where no reply has told it yet: one command. */
  async function readNowMs(): Promise<number> {
    const knownMs = knownNowMs()
    if (knownMs !== undefined) return knownMs
    const [seconds, micros, ...more] = (await rest.list(['TIME'])).map(Number)
    if (seconds === undefined || micros === undefined || more.length > 0) throw notOurs()
    return learnTime(seconds * 1_000 + Math.floor(micros / 1_000))
  }

  async function readPage(app?: string, limit = MAX_PAGE_SCHEDULES, behind = ''): Promise<SchedulePage> {
    const args = [nowArgument(), behind, String(limit)]
    const [now, last, rows] = (await rest.rows(READ_PAGE, args, 3)) as [string, string, string[]]
    const nowMs = learnTime(Number(now))
    return { nowMs, schedules: toStoredSchedules(rows, app), nextDueAtMs: null, cursor: last === '' ? null : last }
  }

  async function readAll({ due = false, aheadMs = 0, app }: ScheduleQuery): Promise<SchedulePage> {
    const all: StoredSchedule[] = []
    let page = await readPage(app)
    for (all.push(...page.schedules); page.cursor !== null; all.push(...page.schedules))
      page = await readPage(app, MAX_PAGE_SCHEDULES, page.cursor)
    const { nowMs } = page
    all.sort(byDue)
    const untilMs = due ? nowMs + aheadMs : Number.POSITIVE_INFINITY
    const later = due ? all.find(({ dueAtMs }) => dueAtMs !== null && dueAtMs > untilMs) : undefined
    const schedules = due ? all.filter(({ dueAtMs }) => dueAtMs !== null && dueAtMs <= untilMs) : all
    return { nowMs, schedules, nextDueAtMs: later?.dueAtMs ?? null, cursor: null }
  }

  async function readDue(query: ScheduleQuery, app: string): Promise<SchedulePage> {
    const { aheadMs = 0, limit = MAX_PAGE_SCHEDULES, cursor } = query
    const behind = cursor === undefined ? undefined : toDuePosition(cursor)
    return (behind ? null : await nothingDue(app, aheadMs)) ?? someDue(app, aheadMs, limit, behind)
  }

  async function someDue(app: string, aheadMs: number, limit: number, behind?: DuePosition): Promise<SchedulePage> {
    const position = behind ? [String(behind.dueAtMs), behind.name] : ['', '']
    const args = [nowArgument(), app, String(aheadMs), String(limit), ...position]
    const [now, next, lastDue, lastName, rows] = (await rest.rows(READ_DUE, args, 5)) as DueReply
    return {
      nowMs: learnTime(Number(now)),
      schedules: toStoredSchedules(rows).sort(byDue),
      nextDueAtMs: next === '' ? null : Number(next),
      cursor: lastName === '' ? null : toDueCursor({ dueAtMs: Number(lastDue), name: lastName }),
    }
  }

  /** The cheap look of an idle beat: one bare command. Null when it takes the script to know. */
  async function nothingDue(app: string, aheadMs: number): Promise<SchedulePage | null> {
    if (knownNowMs() === undefined) return null
    const [, score] = (await rest.list(['ZRANGE', keys.named(`due:${app}`), 0, 0, 'WITHSCORES'])) as [string?, string?]
    const nowMs = knownNowMs() as number
    const nextDueAtMs = score === undefined ? null : Number(score)
    if (nextDueAtMs !== null && nextDueAtMs <= nowMs + aheadMs + DUE_SLACK_MS) return null
    return { nowMs, schedules: [], nextDueAtMs, cursor: null }
  }

  return {
    schedules,
    nowMs: readNowMs,

    async runs(schedule: string): Promise<readonly ScheduleRun[]> {
      const read = (name: string) => rest.command(['HGET', keys.named(name), schedule])
      const [stored, runs] = (await Promise.all([read('schedules'), read('runs')])) as (string | null)[]
      const [found] = stored ? toStoredSchedules([schedule, stored]) : []
      return found && runs ? toRuns(found, runs) : []
    },

    async deployed(app: string): Promise<DeployMark | null> {
      const [text] = await readFields([markOf(app)])
      if (!text) return null
      const [, , , stamp, digest = ''] = text.split('|')
      return { stampMs: Number(stamp), digest }
    },

    setDeployed(app: string, mark: DeployMark, seen: DeployMark | null) {
      const args = [markOf(app), toMarkText(app, mark), seen ? toMarkText(app, seen) : '']
      return rest.word(SET_DEPLOYED, args, ['set', 'existing', 'moved'] as const)
    },
  }
}

/** Those that have come to their end are last. */
function byDue(a: StoredSchedule, b: StoredSchedule): number {
  const due = ({ dueAtMs }: StoredSchedule) => dueAtMs ?? Number.MAX_SAFE_INTEGER
  return due(a) - due(b) || (a.name < b.name ? -1 : 1)
}

/** Without those that were removed, and those of other apps. */
function toStoredSchedules(rows: readonly string[], app?: string): StoredSchedule[] {
  const schedules: StoredSchedule[] = []
  for (let at = 0; at < rows.length; at += 2) {
    const schedule = toStoredSchedule(rows[at] as string, rows[at + 1] as string)
    if (schedule.definition !== '' && (app === undefined || schedule.app === app)) schedules.push(schedule)
  }
  return schedules
}

function toStoredSchedule(name: string, text: string): StoredSchedule {
  const end = text.indexOf('\n')
  const [revision, due = '', last = '', stamp, incarnation = '', ...app] = text.slice(0, end).split('|')
  const orNull = (ms: string) => (ms === '' ? null : Number(ms))
  return {
    name,
    app: app.join('|'),
    definition: text.slice(end + 1),
    revision: Number(revision),
    incarnation,
    dueAtMs: orNull(due),
    lastDueAtMs: orNull(last),
    stampMs: Number(stamp),
  }
}
