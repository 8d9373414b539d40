import { GIVE_WAY } from './give-way.ts'
import { JUDGE } from './judge.ts'

/** Names of queues are kept, and statistics look at each of them. */
const ADMIT = `
local MAX_QUEUES = 10000
local function admit(q)
  if redis.call('SADD', prefix .. 'queues', q) == 0 or redis.call('SCARD', prefix .. 'queues') <= MAX_QUEUES then return true end
  redis.call('SREM', prefix .. 'queues', q)
  return false
end
`

/**
 * Storing jobs, inside a script of the broker: what `enqueue` and `fire` share.
 *
 * `readJobs(from)` reads jobs that have all but id and input in common at once: queue, priority, delayMs, dueAtMs ('' for none),
 * meta, their number, then id and input each. What is common is worked out once; jobs are numbers into parallel tables.
 * `storeJobs()` answers one letter per job: C created, E existing, X conflict, F full. `storeOrNone(list)` stores those of the list,
 * or none of them where a place is full. Index before record, so that a script that stops half-way leaves no record that no list names.
 * `putJob(n, alike)` gives a job another place. It reads the upvalues `maxReady`, `maxTimed`, `dropOldest`, `newQueues`, `namesTwice`, `given`.
 */
export const STORE = `
local now = 0
local ids, bodies, alikes, entries, records = {}, {}, {}, {}, {}
${'' /* Where jobs alike are listed, and what stands before their input. */}
local function placed(a)
  local due = a.due ~= '' and tonumber(a.due) or (a.delay ~= '' and now + tonumber(a.delay)) or 0
  local at = not a.blocked and due > now and due or 0
  if a.blocked then a.place = 't'; a.score = int(NEVER)
  elseif at > 0 then a.place = 't'; a.score = int(at)
  elseif a.pri ~= 0 then a.place = 'p'; a.score = int(a.pri)
  else a.place = 'r' end
  a.key = queueKey(a.queue, a.place)
  a.head = format({ state = a.blocked and 'b' or at > 0 and 't' or 'q', epoch = 0, attempts = 0, lost = 0, at = at, fin = 0, pri = a.pri, queue = a.queue, meta = a.meta, waiters = a.mark or '', err = '', progress = '', body = '' })
  return a
end
local function putJob(n, a)
  local id, record = ids[n], a.head .. bodies[n]
  alikes[n], records[n] = a, record
  if a.blocked or (a.pri == 0 and #record < LARGE) then entries[n] = id return end
  local e = entry(id, 0, #record, a.pri)
  entries[n] = a.place == 'p' and ranked(e, now, n) or e
end
local function readJobs(from)
  local n, at = 0, from
  while at <= #ARGV do
    local a = { queue = ARGV[at], pri = tonumber(ARGV[at + 1]), delay = ARGV[at + 2], due = ARGV[at + 3], meta = ARGV[at + 4] }
    local count = tonumber(ARGV[at + 5])
    if now == 0 and (a.delay ~= '' or a.due ~= '' or a.pri ~= 0) then now = clock(given) end
    placed(a)
    at = at + 6
    ${'' /* The entry of most is the id alone: no call for each of them. */}
    local head, args, plain = a.head, ARGV, a.pri == 0 and LARGE or 0
    for i = at, at + 2 * count - 1, 2 do
      n = n + 1
      local id, record = args[i], head .. args[i + 1]
      ids[n], bodies[n], alikes[n], records[n], entries[n] = id, args[i + 1], a, record, id
      if #record >= plain then putJob(n, a) end
    end
    at = at + 2 * count
  end
end

local function grouped(list)
  local groups, order, a, g = {}, {}, nil, nil
  for i = 1, #list do
    local at = list[i]
    if alikes[at] ~= a then
      a = alikes[at]
      g = groups[a.key]
      if not g then g = { key = a.key, queue = a.queue, place = a.place, args = {}, entries = {}, n = 0, longest = 0 }; groups[a.key] = g; order[#order + 1] = g end
      g.priorities = g.priorities or a.pri ~= 0
    end
    local n, e = g.n + 1, entries[at]
    g.n, g.entries[n] = n, e
    if a.score then g.args[2 * n - 1], g.args[2 * n] = a.score, e end
    if #ids[at] > g.longest then g.longest = #ids[at] end
  end
  return order
end
${'' /* A key has room for the most with ids of the usual length; of longer ones there may be fewer, by the square, so that those of any length together stay within it. */}
local function most(g)
  local USUAL = 48
  local MAX_READY = 1000000
  local MAX_PRIORITIZED = 500000
  local n = g.place == 't' and maxTimed or g.place == 'p' and math.min(maxReady, MAX_PRIORITIZED) or maxReady
  return math.min(n, math.floor((g.place == 'r' and MAX_READY or MAX_PRIORITIZED) / (g.longest / USUAL) ^ 2))
end
${'' /* A list takes a second entry of the same id and gives it back; a zset would lose the first one's: there the record comes first. */}
local function pushReady(g)
  g.length = redis.call('RPUSH', g.key, unpack(g.entries))
  return dropOldest or g.length <= most(g)
end
local function addTimed(g)
  local added = redis.pcall('ZADD', g.key, unpack(g.args))
  if type(added) == 'table' and added.err then return added end
  g.length = redis.call('ZCARD', g.key)
  return (dropOldest and g.place == 'p') or g.length <= most(g)
end
local function dropBeyond(g)
  local n = math.min(g.length - most(g), g.n + 500)
  if g.place == 't' or n <= 0 then return end
  ${GIVE_WAY}
  giveWay(g, n)
end
local function undo(done, args)
  for _, g in ipairs(done) do
    if g.place == 'r' then redis.call('RPOP', g.key, g.n) else redis.call('ZREM', g.key, unpack(g.entries)) end
  end
  if not args then return end
  local keys = {}
  for i = 1, #args, 2 do keys[#keys + 1] = args[i] end
  redis.call('DEL', unpack(keys))
end
local function nameFor(g)
  if g.place == 'r' then
    local before = g.length - g.n
    if before == 0 or math.floor(math.log(before) / math.log(2)) < math.floor(math.log(g.length) / math.log(2)) then nameWaiting(g.queue) end
  elseif g.place == 't' then
    local head = redis.call('ZRANGE', g.key, 0, 0, 'WITHSCORES')
    for _, e in ipairs(tonumber(head[2]) < NEVER and g.entries or {}) do if e == head[1] then nameWaiting(g.queue) break end end
  else nameWaiting(g.queue) end
end
local function isTwice(list)
  local seen = {}
  for _, at in ipairs(list) do
    if seen[ids[at]] then return true end
    seen[ids[at]] = true
  end
end
${'' /* True when all were stored; else nothing was, and the queues' places that are full. Of a record that is named twice, MSETNX would keep the last. */}
local function store(list)
  if #list == 0 then return true, {} end
  if namesTwice and isTwice(list) then return false, {} end
  local groups, done = grouped(list), {}
  if newQueues then
    ${ADMIT}
    for _, g in ipairs(groups) do if not admit(g.queue) then return false, { [g.key] = true } end end
  end
  for _, g in ipairs(groups) do
    if g.place == 'r' then
      done[#done + 1] = g
      if not pushReady(g) then undo(done); return false, { [g.key] = true } end
    end
  end
  local args, keysBegin = {}, jobKey('')
  for i = 1, #list do
    local at = list[i]
    args[2 * i - 1], args[2 * i] = keysBegin .. ids[at], records[at]
  end
  if redis.call('MSETNX', unpack(args)) == 0 then undo(done); return false, {} end
  for _, g in ipairs(groups) do
    if g.place ~= 'r' then
      done[#done + 1] = g
      local ok = addTimed(g)
      if ok ~= true then
        undo(done, args)
        if ok == false then return false, { [g.key] = true } end
        error(ok.err)
      end
    end
  end
  for _, at in ipairs(maxEvents and list or {}) do tell(string.sub(alikes[at].head, 1, 1), ids[at], alikes[at], 0) end
  for _, g in ipairs(groups) do
    if g.priorities then markPriorities(g.queue) end
    nameFor(g)
    dropBeyond(g)
  end
  return true, {}
end

${'' /* One of them is there already, or a queue is full: looks at each. */}
local function storeEach(list, whole)
  ${JUDGE}
  local keys, out, firsts = {}, {}, {}
  for n, at in ipairs(list) do keys[n] = jobKey(ids[at]) end
  if now == 0 then now = clock(given) end
  local got = readBounded(keys)
  for n, at in ipairs(list) do
    local id = ids[at]
    local old = got[n] and parse(got[n])
    if old and isGone(old, now) then
      redis.call('DEL', keys[n])
      old = nil
    end
    if not old and firsts[id] then old = parse(records[list[firsts[id]]]) end
    if old then out[n] = outcomeOf(at, old) else out[n] = 'C'; firsts[id] = n end
  end
  storeFresh(list, out, firsts, whole)
  ${'' /* The same job named twice was there already only by its first one. */}
  for n, at in ipairs(list) do
    local first = firsts[ids[at]]
    if out[n] == 'E' and first and out[first] == 'F' then out[n] = 'F' end
  end
  return table.concat(out)
end
local function storeJobs()
  local all = {}
  for at = 1, #ids do all[at] = at end
  return store(all) and string.rep('C', #ids) or storeEach(all, false)
end
local function storeOrNone(list)
  local stored, full = store(list)
  if stored then return true end
  return not next(full) and not string.find(storeEach(list, true), 'F', 1, true)
end
`
