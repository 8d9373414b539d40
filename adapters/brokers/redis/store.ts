/**
 * Storing jobs, inside a script of the broker: what `enqueue` and `fire` share.
 *
 * `readJobs(from)` reads seven arguments per job: id, queue, priority, delayMs, dueAtMs ('' for none), meta, input.
 * `storeJobs(jobs)` answers one word per job: created, existing, conflict, full. Index before record, so that a script that
 * stops half-way leaves no record that no list names. It reads the upvalues `maxReady`, `maxTimed`, `newQueues`, `given`.
 */
export const STORE = `
local now = 0
local function readJobs(from)
  local jobs, needClock = {}, false
  for at = from, #ARGV, 7 do
    local j = { id = ARGV[at], queue = ARGV[at + 1], pri = tonumber(ARGV[at + 2]), delay = ARGV[at + 3], due = ARGV[at + 4], meta = ARGV[at + 5], body = ARGV[at + 6] }
    if j.delay ~= '' or j.due ~= '' or j.pri ~= 0 then needClock = true end
    jobs[#jobs + 1] = j
  end
  if needClock and now == 0 then now = clock(given) end
  return jobs
end
${'' /* What is stored, and where it is listed. */}
local function place(j, at)
  local due = j.due ~= '' and tonumber(j.due) or (j.delay ~= '' and now + tonumber(j.delay)) or 0
  j.at = due > now and due or 0
  j.entry = entry(j.id, 0, #j.body, j.pri)
  if j.at > 0 then j.place = 't'; j.score = int(j.at)
  elseif j.pri ~= 0 then j.place = 'p'; j.score = int(j.pri); j.entry = ranked(j.entry, now, at)
  else j.place = 'r' end
  j.record = format({ state = j.at > 0 and 't' or 'q', epoch = 0, attempts = 0, lost = 0, at = j.at, fin = 0, pri = j.pri, queue = j.queue, meta = j.meta, waiters = '', err = '', progress = '', body = j.body })
end

local function grouped(list)
  local groups, order = {}, {}
  for _, j in ipairs(list) do
    local key = queueKey(j.queue, j.place)
    if not groups[key] then groups[key] = { key = key, queue = j.queue, place = j.place, args = {}, entries = {} }; order[#order + 1] = groups[key] end
    local g = groups[key]
    g.priorities = g.priorities or j.pri ~= 0
    if j.place ~= 'r' then table.insert(g.args, j.score) end
    table.insert(g.args, j.entry)
    table.insert(g.entries, j.entry)
  end
  return order
end
${'' /* A list takes a second entry of the same id and gives it back; a zset would lose the first one's: there the record comes first. */}
local function pushReady(g)
  g.length = redis.call('RPUSH', g.key, unpack(g.args))
  return g.length <= maxReady
end
local function addTimed(g)
  local added = redis.pcall('ZADD', g.key, unpack(g.args))
  if type(added) == 'table' and added.err then return added end
  return g.place ~= 't' or redis.call('ZCARD', g.key) <= maxTimed
end
local function undo(done, records)
  for _, g in ipairs(done) do
    if g.place == 'r' then redis.call('RPOP', g.key, #g.entries) else redis.call('ZREM', g.key, unpack(g.entries)) end
  end
  if records then redis.call('DEL', unpack(records)) end
end
local function nameFor(g)
  if g.place == 'r' then
    local before = g.length - #g.entries
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
  local args, records = {}, {}
  for i, j in ipairs(list) do records[i] = jobKey(j.id); args[#args + 1] = records[i]; args[#args + 1] = j.record end
  if redis.call('MSETNX', unpack(args)) == 0 then undo(done); return false, {} end
  for _, g in ipairs(groups) do
    if g.place ~= 'r' then
      done[#done + 1] = g
      local ok = addTimed(g)
      if ok ~= true then
        undo(done, records)
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

local function storeJobs(jobs)
  for at, j in ipairs(jobs) do place(j, at) end
  local out, fresh = {}, {}
  local stored, full = store(jobs)
  if stored then for at = 1, #jobs do out[at] = 'created' end return out end
  ${'' /* One of them is there already, or a queue is full: look at each. */}
  local keys = {}
  for at, j in ipairs(jobs) do keys[at] = jobKey(j.id) end
  if now == 0 then now = clock(given) end
  local got, seen = redis.call('MGET', unpack(keys)), {}
  for at, j in ipairs(jobs) do
    local old = got[at] and parse(got[at]) or seen[j.id]
    if old and isGone(old, now) then
      redis.call('DEL', keys[at])
      old = seen[j.id]
    end
    if not old then
      seen[j.id] = parse(j.record)
      if full[queueKey(j.queue, j.place)] then out[at] = 'full' else out[at] = 'created'; fresh[#fresh + 1] = j end
    elseif old.state == 'x' then out[at] = 'existing'
    else
      local same
      if old.state == 's' then same = string.match(old.body, '^(%x*)\\t') == fingerprint(j.meta, j.body)
      else same = old.body == j.body and task(old.meta) == task(j.meta) end
      out[at] = same and 'existing' or 'conflict'
    end
  end
  stored, full = store(fresh)
  if not stored then for at, word in ipairs(out) do if word == 'created' then out[at] = 'full' end end end
  return out
end
`
