/**
 * Whose turn it is, for schedules with a rule of overlap. The hash `turns` has for each the ids of its jobs that have not finished, as
 * far as is known, in due order: the first one runs or may run, those behind it are blocked, and are freed one after the other.
 *
 * A blocked job stands among the timed ones, with a due time that never comes, by its bare id. What is to be freed once a job
 * finishes is told by a mark among its waiters; the mark of a job that was replayed says that it does not count. Where nobody has told
 * that a job has finished, as an older process would not, the next tick sees it.
 *
 * @module
 */
import { MAX_BATCH_BYTES, MAX_BLOCKED } from '../../../src/broker.ts'
import { MAKE_CALLBACKS } from './callbacks.ts'

/** Later than any time, and a whole number for every store. */
export const NEVER_MS = 4_000_000_000_000_000

/**
 * Inside `FREE_TURNS` and `FIRE`: `settleTurns(names, depth)` answers the turns of schedules, without those of the first `depth` that have
 * finished, and frees who comes first; each is `{ ids, changed }`.
 */
const TURNS = `
local function isOpen(id) return known[id] and not isFinished(known[id].state) and not string.find(known[id].waiters, REPLAYED, 1, true) end
${'' /* Heads of records of sizes that nobody knows: few at first, more the smaller they turn out. */}
local function readHeads(ids)
  local from, n, largest = 1, 8, 1
  while from <= #ids do
    local keys = {}
    for i = from, math.min(#ids, from + n - 1) do keys[#keys + 1] = jobKey(ids[i]) end
    for i, text in ipairs(redis.call('MGET', unpack(keys))) do
      known[ids[from + i - 1]] = text and parseHead(text)
      if text then known[ids[from + i - 1]].size = #text; largest = math.max(largest, #text) end
    end
    from = from + n
    n = math.max(1, math.min(16 * n, math.floor(${MAX_BATCH_BYTES} / largest), 1000))
  end
end
local function readTurns(names)
  local turns = {}
  for i, text in ipairs(redis.call('HMGET', prefix .. 'turns', unpack(names))) do
    local t = { ids = {} }
    for id in string.gmatch(text or '', '[^\\t]+') do t.ids[#t.ids + 1] = id end
    turns[names[i]] = t
  end
  return turns
end
local function writeTurns(turns)
  local args, gone = {}, {}
  for name, t in pairs(turns) do
    if t.changed and #t.ids > 0 then args[#args + 1] = name; args[#args + 1] = table.concat(t.ids, '\\t')
    elseif t.changed then gone[#gone + 1] = name end
  end
  if #args > 0 then redis.call('HSET', prefix .. 'turns', unpack(args)) end
  if #gone > 0 then redis.call('HDEL', prefix .. 'turns', unpack(gone)) end
end
${'' /* Those of one queue at once. Ready before they leave their place: half-way, they are claimed from there. */}
local function free(ids)
  local byQueue, queues = {}, {}
  for _, id in ipairs(ids) do
    local r = known[id]
    local g = byQueue[r.queue]
    if not g then g = { ids = {}, entries = {} }; byQueue[r.queue] = g; queues[#queues + 1] = r.queue end
    g.ids[#g.ids + 1] = id
    g.entries[#g.entries + 1] = entry(id, r.epoch, r.size, r.pri)
    r.state = 'q'
    tell('q', id, r)
  end
  local now = #ids > 0 and clock(ARGV[2])
  for _, q in ipairs(queues) do
    makeReady(q, byQueue[q].entries, now, false)
    for _, id in ipairs(byQueue[q].ids) do redis.call('SETRANGE', jobKey(id), 0, 'q') end
    redis.call('ZREM', queueKey(q, 't'), unpack(byQueue[q].ids))
  end
  return queues
end
${'' /* Where nothing of what was read is left, many have finished together: from there it reaches further. */}
local function settleTurns(turns, depthOf)
  local unknown, reach = {}, {}
  repeat
    unknown = {}
    for name, t in pairs(turns) do
      local at = 1
      reach[name] = reach[name] or depthOf(name)
      while at <= #t.ids and at <= reach[name] do
        local isUnknown = known[t.ids[at]] == nil
        if not isUnknown and not isOpen(t.ids[at]) then table.remove(t.ids, at); t.changed = true
        else
          if isUnknown then unknown[#unknown + 1] = t.ids[at] end
          if isUnknown and at == 1 and t.changed then reach[name] = 8 * reach[name] end
          at = at + 1
        end
      end
    end
    readHeads(unknown)
  until #unknown == 0
  local first = {}
  for _, t in pairs(turns) do
    if t.ids[1] and known[t.ids[1]].state == 'b' then first[#first + 1] = t.ids[1] end
  end
  return free(first)
end
${'' /* Who waits is freed by the one that it waits behind, also where that one's rule would not. */}
local function markFirst(name, t)
  local r = known[t.ids[1]]
  if not r or #t.ids < 2 or string.find(' ' .. r.waiters .. ' ', ' ' .. turnMark(name) .. ' ', 1, true) then return end
  local text = redis.call('GET', jobKey(t.ids[1]))
  r = parse(text)
  r.waiters = (r.waiters == '' and '' or r.waiters .. ' ') .. turnMark(name)
  redis.call('SET', jobKey(t.ids[1]), format(r))
end
`

/**
 * In every script: whatever finishes a job may free another. `freeTurns()` settles the turns of schedules whose marks were met, makes the
 * callbacks, and answers the queues in which jobs are ready now.
 * Commands, only where a mark was met: HMGET; where somebody waits MGET, TIME, RPUSH and ZREM for each queue, a SETRANGE
 * for each job that is freed, HSET.
 */
export const FREE_TURNS = `
local NEVER = ${NEVER_MS}
local known, ended = {}, {}
local function turnMark(schedule) return '\\1' .. schedule end
local REPLAYED = '\\2'
local function hintWaiters(waiters)
  if waiters == '' then return end
  for name in string.gmatch(waiters, '%S+') do
    local mark = string.byte(name)
    if mark == 1 then ended[#ended + 1] = string.sub(name, 2) elseif mark ~= 2 then hint(name) end
  end
end
${'' /* Most finish with nobody behind them. The next one is read with the one that has finished. */}
local function freeTurns()
  local queues = {}
  if #called > 0 then
    ${MAKE_CALLBACKS}
    queues = makeCallbacks()
  end
  if #ended == 0 then return queues end
  ${TURNS}
  local turns = readTurns(ended)
  known, ended = {}, {}
  for name, t in pairs(turns) do if #t.ids < 2 then turns[name] = nil end end
  for _, q in ipairs(settleTurns(turns, function() return 2 end)) do queues[#queues + 1] = q end
  for name, t in pairs(turns) do markFirst(name, t) end
  writeTurns(turns)
  return queues
end
`

/**
 * Inside `FIRE`: what a rule makes of a tick, q: its job may run, b: it waits; else its outcome. A turn has besides `ids`, with those of
 * this very call, how many of them are `waiting`, and what it `cancels`.
 */
export const TAKE_TURNS = `${TURNS}
local function depthOf(rule) return (rule == 'skip' or rule == 'bufferAll') and 1 or math.huge end
local function copyOf(t)
  local copy = { ids = { unpack(t.ids) }, waiting = 0, cancels = {}, changed = t.changed }
  for at = 2, #t.ids do
    local r = known[t.ids[at]]
    if r == nil or r.state == 'b' then copy.waiting = copy.waiting + 1 end
  end
  return copy
end
local function becomes(t, rule, id)
  if #t.ids == 0 or rule == 'cancelPrevious' then return 'q' end
  ${'' /* Of a script that stopped half-way. */}
  for _, other in ipairs(t.ids) do if other == id then return 'q' end end
  if rule == 'bufferAll' then return t.waiting < ${MAX_BLOCKED} and 'b' or 'full' end
  return rule == 'bufferOne' and t.waiting == 0 and 'b' or 'skipped'
end
local function takeTurn(t, rule, id, state)
  if rule == 'cancelPrevious' then
    for _, other in ipairs(t.ids) do if other ~= id then t.cancels[#t.cancels + 1] = other end end
    t.ids, t.waiting = {}, 0
  end
  if t.ids[#t.ids] ~= id then t.ids[#t.ids + 1] = id end
  if state == 'b' then t.waiting = t.waiting + 1 end
  t.changed = true
end
${'' /* An active one goes on until its worker hears of it: it still counts. */}
local function finishTurns(turns)
  for name, t in pairs(turns) do
    if #t.cancels > 0 and now == 0 then now = clock(given) end
    for _, id in ipairs(t.cancels) do if cancelJob(id) == 'asked' then table.insert(t.ids, 1, id) end end
    if t.waiting > 0 then markFirst(name, t) end
  end
  writeTurns(turns)
end
`
