/**
 * What is kept of each schedule's last ticks: the hash `runs` has a line each, newest first, `due|how late|outcome|job`. The outcome is
 * a letter: f fired, s skipped, m missed; a capital where somebody has run the schedule. A job's id is left out where it follows from the rest, as a beat's do.
 *
 * @module
 */
import { RUNS_KEPT, type ScheduleRun, type StoredSchedule } from '../../../src/broker.ts'
import { tickJobId } from '../../../src/job.ts'

/** Inside `FIRE`: reads the upvalue `firedAt`. A tick that was looked ahead and taken back comes again: what is kept of it goes. */
export const NOTE_RUNS = `
local function noteRun(s, due, letter, id, manual)
  s.runs = s.runs or {}
  if manual then letter = string.upper(letter) else s.runsFrom = s.runsFrom or tonumber(due) end
  local known = not id or id == s.name .. ':' .. s.incarnation .. ':' .. due
  s.runs[#s.runs + 1] = due .. '|' .. int(firedAt - tonumber(due)) .. '|' .. letter .. (known and '' or '|' .. id)
end
local function writeRuns(list)
  if #list == 0 then return end
  local names, args = {}, {}
  for i, s in ipairs(list) do names[i] = s.name end
  for i, text in ipairs(redis.call('HMGET', prefix .. 'runs', unpack(names))) do
    local s, lines = list[i], {}
    for at = #s.runs, math.max(1, #s.runs - ${RUNS_KEPT - 1}), -1 do lines[#lines + 1] = s.runs[at] end
    for line in string.gmatch(text or '', '[^\\n]+') do
      local due, letter = string.match(line, '^(%d+)|%-?%d+|(%a)')
      if #lines < ${RUNS_KEPT} and (not s.runsFrom or letter == string.upper(letter) or tonumber(due) < s.runsFrom) then lines[#lines + 1] = line end
    end
    args[2 * i - 1], args[2 * i] = s.name, table.concat(lines, '\\n')
  end
  redis.call('HSET', prefix .. 'runs', unpack(args))
end
`

const OUTCOMES: Readonly<Record<string, ScheduleRun['outcome']>> = { f: 'fired', s: 'skipped', m: 'missed' }

/** Without those that were taken back since. */
export function toRuns(schedule: StoredSchedule, text: string): ScheduleRun[] {
  return text
    .split('\n')
    .map((line) => toRun(schedule, line))
    .filter(({ dueAtMs, manual }) => manual || dueAtMs <= (schedule.lastDueAtMs ?? 0))
}

function toRun({ name, incarnation }: StoredSchedule, line: string): ScheduleRun {
  const [due, late, letter = '', ...id] = line.split('|')
  const dueAtMs = Number(due)
  const outcome = OUTCOMES[letter.toLowerCase()] ?? 'fired'
  const jobId = outcome === 'fired' ? id.join('|') || tickJobId(name, incarnation, dueAtMs) : null
  const isManual = letter === letter.toUpperCase()
  return { dueAtMs, firedAtMs: dueAtMs + Number(late), outcome, jobId, ...(isManual ? { manual: true } : {}) }
}
