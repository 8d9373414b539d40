import { DROPPED_ERROR } from '../../../src/bounds.ts'
import { MAX_BATCH_BYTES } from '../../../src/broker.ts'

/**
 * Storing jobs, inside a script of the broker: what `enqueue` and `fire` share.
 *
 * `readJobs(from)` reads jobs that have all but id and input in common at once: queue, priority, delayMs, dueAtMs ('' for none),
 * meta, their number, then id and input each. What is common is worked out once; jobs are numbers into parallel tables.
 * `storeJobs()` answers one letter per job: C created, E existing, X conflict, F full. `storeOrNone(list)` stores those of the list,
 * or none of them where a place is full. Index before record, so that a script that stops half-way leaves no record that no list names.
 * `putJob(n, alike)` gives a job another place. It reads the upvalues `maxReady`, `maxTimed`, `dropOldest`, `newQueues`, `given`.
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
  alikes[n], records[n] = a, a.head .. bodies[n]
  local plain = a.blocked or (a.pri == 0 and #records[n] < LARGE)
  local e = plain and ids[n] or entry(ids[n], 0, #records[n], a.pri)
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
    for i = at, at + 2 * count - 1, 2 do
      n = n + 1
      ids[n], bodies[n] = ARGV[i], ARGV[i + 1]
      putJob(n, a)
    end
    at = at + 2 * count
  end
end

local function grouped(list)
  local groups, order = {}, {}
  for _, at in ipairs(list) do
    local a = alikes[at]
    local g = groups[a.key]
    if not g then g = { key = a.key, queue = a.queue, place = a.place, args = {}, entries = {}, n = 0, longest = 0 }; groups[a.key] = g; order[#order + 1] = g end
    g.priorities = g.priorities or a.pri ~= 0
    if a.score then g.args[2 * g.n + 1] = a.score; g.args[2 * g.n + 2] = entries[at] end
    g.n = g.n + 1
    g.entries[g.n] = entries[at]
    if #ids[at] > g.longest then g.longest = #ids[at] end
  end
  return order
end
${'' /* A key has room for the most with ids of the usual length; of longer ones there may be fewer, by the square, so that those of any length together stay within it. */}
local USUAL = 48
local MAX_READY = 1000000
local MAX_PRIORITIZED = 500000
local function most(g)
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
${'' /* Beyond the bound the oldest go, of those with a priority the lowest. A job that has left its entry behind stays as it is, as with a claim. */}
local function oldest(g, n)
  if g.place == 'r' then return redis.call('LRANGE', g.key, 0, n - 1) end
  local found = redis.call('ZRANGE', g.key, 0, n - 1)
  for i, member in ipairs(found) do found[i] = unranked(member) end
  return found
end
local function drop(g, some)
  local old, epochs, keys, args = {}, {}, {}, {}
  for i, e in ipairs(some) do old[i], epochs[i] = parseEntry(e); keys[i] = jobKey(old[i]) end
  local texts, leases = redis.call('MGET', unpack(keys)), redis.call('ZMSCORE', queueKey(g.queue, 'l'), unpack(old))
  for i, id in ipairs(old) do
    local r = texts[i] and not leases[i] and parse(texts[i])
    if r and r.epoch == epochs[i] and not isFinished(r.state) then
      r.state = 'c'; r.fin = now; r.at = now + STUB_MS; r.err = '${DROPPED_ERROR}'
      callBack(id, 'onFailure', urlOf(r.meta, 'onFailure'), r.epoch, r.queue, now)
      finish(id, r)
      args[#args + 1] = keys[i]; args[#args + 1] = format(r)
      tell('c', id, r)
    end
  end
  if #args > 0 then redis.call('MSET', unpack(args)) end
end
${'' /* Bounded in bytes before reading, as a claim is: large jobs may give way to small ones. Where the bound has been lowered, step by step. Record before index: half-way leaves entries that a claim passes over. */}
local function dropBeyond(g)
  local n = math.min(g.length - most(g), g.n + 500)
  if g.place == 't' or n <= 0 then return end
  if now == 0 then now = clock(given) end
  local some, bytes = {}, 0
  for _, e in ipairs(oldest(g, n)) do
    local _, _, size = parseEntry(e)
    bytes = bytes + size
    if bytes > ${MAX_BATCH_BYTES} and #some > 0 then drop(g, some); some, bytes = {}, size end
    some[#some + 1] = e
  end
  drop(g, some)
  if g.place == 'r' then redis.call('LTRIM', g.key, n, -1) else redis.call('ZREMRANGEBYRANK', g.key, 0, n - 1) end
end
local function undo(done, keys)
  for _, g in ipairs(done) do
    if g.place == 'r' then redis.call('RPOP', g.key, g.n) else redis.call('ZREM', g.key, unpack(g.entries)) end
  end
  if keys then redis.call('DEL', unpack(keys)) end
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
${'' /* Names of queues are kept, and statistics look at each of them. */}
local MAX_QUEUES = 10000
local function admit(q)
  if redis.call('SADD', prefix .. 'queues', q) == 0 or redis.call('SCARD', prefix .. 'queues') <= MAX_QUEUES then return true end
  redis.call('SREM', prefix .. 'queues', q)
  return false
end
${'' /* Records of sizes that nobody knows, together no more than a claim brings. */}
local function readBounded(keys)
  if #keys == 1 then return redis.call('MGET', keys[1]) end
  local got, some, bytes = {}, {}, 0
  local function flush()
    for _, text in ipairs(#some > 0 and redis.call('MGET', unpack(some)) or {}) do got[#got + 1] = text end
    some, bytes = {}, 0
  end
  for _, key in ipairs(keys) do
    local size = redis.call('STRLEN', key)
    if bytes + size > ${MAX_BATCH_BYTES} then flush() end
    some[#some + 1] = key
    bytes = bytes + size
  end
  flush()
  return got
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
  if isTwice(list) then return false, {} end
  local groups, done = grouped(list), {}
  if newQueues then
    for _, g in ipairs(groups) do if not admit(g.queue) then return false, { [g.key] = true } end end
  end
  for _, g in ipairs(groups) do
    if g.place == 'r' then
      done[#done + 1] = g
      if not pushReady(g) then undo(done); return false, { [g.key] = true } end
    end
  end
  local args, keys, n = {}, {}, 0
  for i, at in ipairs(list) do
    local key = jobKey(ids[at])
    keys[i] = key
    args[n + 1], args[n + 2] = key, records[at]
    n = n + 2
  end
  if redis.call('MSETNX', unpack(args)) == 0 then undo(done); return false, {} end
  for _, g in ipairs(groups) do
    if g.place ~= 'r' then
      done[#done + 1] = g
      local ok = addTimed(g)
      if ok ~= true then
        undo(done, keys)
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

${'' /* Of a job of which one with its id is there already. */}
local function outcomeOf(at, old)
  local request = requestOf(alikes[at].meta)
  if request then return requestOf(old.meta) == request and 'E' or 'X' end
  if old.state == 'x' then return 'E' end
  local same
  if old.state == 's' then same = string.match(old.body, '^(%x*)\\t') == fingerprint(bodies[at]) else same = old.body == bodies[at] end
  return same and task(old.meta) == task(alikes[at].meta) and 'E' or 'X'
end
${'' /* Jobs of one request are stored together or not at all: of what the outcomes of its jobs say, the highest counts. One named twice says what its first one does. */}
local SAYS = { C = 0, F = 1, E = 2, X = 3 }
local function keepTogether(list, out, firsts)
  local highest = {}
  for n, at in ipairs(list) do
    local request, first = requestOf(alikes[at].meta), firsts[ids[at]]
    local says = out[n] == 'E' and first and out[first] or out[n]
    if request and SAYS[says] > SAYS[highest[request] or 'C'] then highest[request] = says end
  end
  if not next(highest) then return end
  for n, at in ipairs(list) do out[n] = highest[requestOf(alikes[at].meta) or ''] or out[n] end
end
${'' /* Stores those that are new, but for places that are full; with `whole` all or none. */}
local function storeFresh(list, out, firsts, whole)
  local full, fresh, stored, found = {}
  repeat
    fresh = {}
    for n, at in ipairs(list) do
      if out[n] == 'C' and full[alikes[at].key] then out[n] = 'F' end
    end
    keepTogether(list, out, firsts)
    for n, at in ipairs(list) do
      if out[n] == 'C' then fresh[#fresh + 1] = at end
    end
    stored, found = store(fresh)
    for key in pairs(found) do full[key] = true end
  until stored or whole or not next(found)
  ${'' /* Something stands in a record's place that is none; or all of them are wanted, or none. */}
  if not stored then for n, letter in ipairs(out) do if letter == 'C' then out[n] = 'F' end end end
end
${'' /* One of them is there already, or a queue is full: looks at each. */}
local function storeEach(list, whole)
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
