/**
 * Storing jobs, inside a script of the broker: what `enqueue` and `fire` share.
 *
 * `readJobs(from)` reads jobs that have all but id and input in common at once: queue, priority, delayMs, dueAtMs ('' for none),
 * meta, their number, then id and input each. What is common is worked out once; jobs are numbers into parallel tables.
 * `storeJobs()` answers one letter per job: C created, E existing, X conflict, F full. `storeOrNone(list)` stores those of the list,
 * or none of them where a place is full. Index before record, so that a script that stops half-way leaves no record that no list names.
 * It reads the upvalues `maxReady`, `maxTimed`, `newQueues`, `given`.
 */
export const STORE = `
local now = 0
local ids, bodies, alikes, entries, records = {}, {}, {}, {}, {}
${'' /* Where jobs alike are listed, and what stands before their input. */}
local function placed(a)
  local due = a.due ~= '' and tonumber(a.due) or (a.delay ~= '' and now + tonumber(a.delay)) or 0
  local at = due > now and due or 0
  if at > 0 then a.place = 't'; a.score = int(at)
  elseif a.pri ~= 0 then a.place = 'p'; a.score = int(a.pri)
  else a.place = 'r' end
  a.key = queueKey(a.queue, a.place)
  a.head = format({ state = at > 0 and 't' or 'q', epoch = 0, attempts = 0, lost = 0, at = at, fin = 0, pri = a.pri, queue = a.queue, meta = a.meta, waiters = '', err = '', progress = '', body = '' })
  return a
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
      local id, body = ARGV[i], ARGV[i + 1]
      n = n + 1
      ids[n], bodies[n], alikes[n], records[n] = id, body, a, a.head .. body
      local e = (a.pri == 0 and #body < LARGE) and id or entry(id, 0, #body, a.pri)
      entries[n] = a.place == 'p' and ranked(e, now, n) or e
    end
    at = at + 2 * count
  end
end

local function grouped(list)
  local groups, order = {}, {}
  for _, at in ipairs(list) do
    local a = alikes[at]
    local g = groups[a.key]
    if not g then g = { key = a.key, queue = a.queue, place = a.place, args = {}, entries = {}, n = 0 }; groups[a.key] = g; order[#order + 1] = g end
    g.priorities = g.priorities or a.pri ~= 0
    if a.score then g.args[2 * g.n + 1] = a.score; g.args[2 * g.n + 2] = entries[at] end
    g.n = g.n + 1
    g.entries[g.n] = entries[at]
  end
  return order
end
${'' /* A list takes a second entry of the same id and gives it back; a zset would lose the first one's: there the record comes first. */}
local function pushReady(g)
  g.length = redis.call('RPUSH', g.key, unpack(g.entries))
  return g.length <= maxReady
end
local function addTimed(g)
  local added = redis.pcall('ZADD', g.key, unpack(g.args))
  if type(added) == 'table' and added.err then return added end
  return g.place ~= 't' or redis.call('ZCARD', g.key) <= maxTimed
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
    local head = redis.call('ZRANGE', g.key, 0, 0)[1]
    for _, e in ipairs(g.entries) do if e == head then nameWaiting(g.queue) break end end
  else nameWaiting(g.queue) end
end
${'' /* True when all were stored; else nothing was, and the queues' places that are full. */}
local function store(list)
  if #list == 0 then return true, {} end
  local groups, done = grouped(list), {}
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
  for _, g in ipairs(groups) do
    if g.priorities then markPriorities(g.queue) end
    nameFor(g)
    if newQueues then redis.call('SADD', prefix .. 'queues', g.queue) end
  end
  return true, {}
end

${'' /* Of a job of which one with its id may be there already. */}
local function outcomeOf(at, old, full)
  local a = alikes[at]
  if not old then return full[a.key] and 'F' or 'C' end
  if old.state == 'x' then return 'E' end
  local same
  if old.state == 's' then same = string.match(old.body, '^(%x*)\\t') == fingerprint(bodies[at]) else same = old.body == bodies[at] end
  return same and task(old.meta) == task(a.meta) and 'E' or 'X'
end
${'' /* One of them is there already, or a queue is full: looks at each. */}
local function storeEach(list, full)
  local keys, out, fresh, seen = {}, {}, {}, {}
  for n, at in ipairs(list) do keys[n] = jobKey(ids[at]) end
  if now == 0 then now = clock(given) end
  local got = redis.call('MGET', unpack(keys))
  for n, at in ipairs(list) do
    local id = ids[at]
    local old = got[n] and parse(got[n]) or seen[id]
    if old and isGone(old, now) then
      redis.call('DEL', keys[n])
      old = seen[id]
    end
    out[n] = outcomeOf(at, old, full)
    if not old then seen[id] = parse(records[at]) end
    if out[n] == 'C' then fresh[#fresh + 1] = at end
  end
  if not store(fresh) then for n, letter in ipairs(out) do if letter == 'C' then out[n] = 'F' end end end
  return table.concat(out)
end
local function storeJobs()
  local all = {}
  for at = 1, #ids do all[at] = at end
  local stored, full = store(all)
  return stored and string.rep('C', #ids) or storeEach(all, full)
end
local function storeOrNone(list)
  local stored, full = store(list)
  if stored then return true end
  return not next(full) and not string.find(storeEach(list, {}), 'F', 1, true)
end
`
