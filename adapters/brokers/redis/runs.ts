/**
 * What is kept of each schedule's last ticks: the hash `runs` has a line each, newest first, `due|how late|outcome|job`. The outcome is
 * a letter: f fired, s skipped, m missed. A job's id is left out where it follows from the rest, as a beat's do.
 *
 * @module
 */
import { RUNS_KEPT, type ScheduleRun, type StoredSchedule } from '../../../src/broker.ts'
import { tickJobId } from '../../../src/job.ts'

/** Inside `FIRE`: reads the upvalue `firedAt`. A tick that was looked ahead and taken back comes again: what is kept of it goes. */
export const NOTE_RUNS = `
local function noteRun(s, due, letter, id)
  s.runsFrom, s.runs = s.runsFrom or tonumber(due), s.runs or {}
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
      if #lines < ${RUNS_KEPT} and tonumber(string.match(line, '^%d+')) < s.runsFrom then lines[#lines + 1] = line end
    end
    args[2 * i - 1], args[2 * i] = s.name, table.concat(lines, '\\n')
  end
  redis.call('HSET', prefix .. 'runs', unpack(args))
end
`

const OUTCOMES: Readonly<Record<string, ScheduleRun['outcome']>> = { f: 'fired', s: 'skipped', m: 'missed' }

/** Without those that were taken back since. */
export function toRuns({ name, incarnation, lastDueAtMs }: StoredSchedule, text: string): ScheduleRun[] {
  return text
    .split('\n')
    .map((line): ScheduleRun => {
      const [due, late, letter = '', ...id] = line.split('|')
      const dueAtMs = Number(due)
      const outcome = OUTCOMES[letter] ?? 'fired'
      const jobId = outcome === 'fired' ? id.join('|') || tickJobId(name, incarnation, dueAtMs) : null
      return { dueAtMs, firedAtMs: dueAtMs + Number(late), outcome, jobId }
    })
    .filter(({ dueAtMs }) => dueAtMs <= (lastDueAtMs ?? 0))
}
