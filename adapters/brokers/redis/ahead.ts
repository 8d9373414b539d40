/**
 * Ticks that were looked ahead: fired before they are due, their jobs waiting for the time. The hash `ahead` notes those of each
 * schedule, a line each: `due|what was the schedule's last one before|job`. A change of the schedule undoes them from the first one on.
 *
 * @module
 */
import { MAX_AHEAD_MS } from '../../../src/broker.ts'

/** The notes go by themselves once nobody looks ahead any more: nothing in them is still to come by then. */
const NOTES_KEPT_MS = 4 * MAX_AHEAD_MS

/** Inside `FIRE`: reads the upvalues of `STORE`. What has fallen due by now is a job like any other. */
export const NOTE_AHEAD = `
local function note(s, due, id)
  s.aheadFrom, s.ahead = s.aheadFrom or tonumber(due), s.ahead or {}
  s.ahead[#s.ahead + 1] = due .. '|' .. s.last .. '|' .. id .. '\\n'
end
local function writeNotes(list)
  local names, args = {}, {}
  for _, s in ipairs(list) do if s.ahead then names[#names + 1] = s.name end end
  if #names == 0 then return end
  local before = redis.call('HMGET', prefix .. 'ahead', unpack(names))
  for _, s in ipairs(list) do
    if s.ahead then
      local lines, n = {}, #args / 2 + 1
      for line, due in string.gmatch(before[n] or '', '((%d+)|[^\\n]*\\n)') do
        if tonumber(due) > now and tonumber(due) < s.aheadFrom then lines[#lines + 1] = line end
      end
      args[2 * n - 1], args[2 * n] = s.name, table.concat(lines) .. table.concat(s.ahead)
    end
  end
  redis.call('HSET', prefix .. 'ahead', unpack(args))
  redis.call('PEXPIRE', prefix .. 'ahead', ${NOTES_KEPT_MS})
end
`

/**
 * Takes back what is not due yet and was never claimed: what still stands in the list of timed jobs. Its id is to be free for the
 * same due time; what arrives late of before is fenced by the schedule's revision. Record before index, and the note after all else: a
 * script that stops half-way is taken up where it stopped.
 */
export const REVOKE_AHEAD = `
local looked = nil
local function revoke(s)
  looked = looked or redis.call('HLEN', prefix .. 'ahead')
  local text = looked > 0 and redis.call('HGET', prefix .. 'ahead', s.name)
  if not text then return end
  s.revoked = true
  local now, noted, keys = clock(ARGV[2]), {}, {}
  for due, last, id in string.gmatch(text, '(%d+)|(%d*)|([^\\n]*)\\n') do
    if tonumber(due) > now then
      noted[#noted + 1] = { due = due, last = last, id = id }
      keys[#keys + 1] = jobKey(id)
    end
  end
  if #keys == 0 then return end
  ${'' /* All are of one definition, and so in one queue. */}
  local got, records, entries, timed = redis.call('MGET', unpack(keys)), {}, {}, nil
  for n, tick in ipairs(noted) do
    local r = got[n] and parse(got[n])
    records[n], entries[n] = r, tick.id
    if r then timed, entries[n] = queueKey(r.queue, 't'), entry(tick.id, 0, #got[n] - #r.waiters, r.pri) end
  end
  local scores, dead, left, first = timed and redis.call('ZMSCORE', timed, unpack(entries)) or {}, {}, {}, nil
  for n, tick in ipairs(noted) do
    local r = records[n]
    if not r or (r.state == 't' and r.epoch == 0 and scores[n]) then
      first = first or tick
      dead[#dead + 1], left[#left + 1] = keys[n], entries[n]
      if r then hintWaiters(r.waiters); tell('x', tick.id, r) end
    end
  end
  if not first then return end
  redis.call('DEL', unpack(dead))
  if timed then redis.call('ZREM', timed, unpack(left)) end
  s.last, s.due = first.last, first.due
end
${'' /* What was noted ahead of whom a change was made, and the runs of whom was removed. */}
local function forgetNotes(list)
  local revoked, gone = {}, {}
  for _, s in ipairs(list) do
    if s.revoked then revoked[#revoked + 1] = s.name end
    if s.gone then gone[#gone + 1] = s.name end
  end
  if #revoked > 0 then redis.call('HDEL', prefix .. 'ahead', unpack(revoked)) end
  if #gone > 0 then redis.call('HDEL', prefix .. 'runs', unpack(gone)) end
end
`
