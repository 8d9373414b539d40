import { MAX_BATCH_BYTES } from '../../../src/broker.ts'
import { READ_CALLBACKS } from './callbacks.ts'
import { script } from './lua.ts'
import { SETTLE } from './settle.ts'
import { SWEEP } from './sweep.ts'
import { TAKE_OVER } from './take-over.ts'

const REPLAY_KEPT_MS = 120_000

/**
 * The contract's exchange: replay check, fence and settle, due and expired, claim.
 *
 * ARGV: prefix, now ('' asks the server), lane, seq, want, how many of them ahead, takeLost, leaseMs, waitMs, whether the lane is still registered,
 * whether it was woken, whether to sweep, jitter in [0, 1), presence ('' for none, else who, | and what it says), the tasks' callbacks
 * ('' for none, else lines of task, onSuccess and onFailure), the number of queues and their names, the
 * number of groups of refs and for each kind (a settlement's, or extend), epoch, ms, progress ('' for none), their number, and
 * id and text each.
 * Returns { now, nextAtMs or '', seq when stale or '', late ids, cancelled ids, jobs: two each (id and record; the lease's epoch is the record's next) }.
 * Commands, on one queue: EVALSHA, TIME, MGET, ZMSCORE, ZREM, MSET, RPUSH, ZRANGE, ZRANGE, LPOP, MGET, ZADD, SET; four more to
 * sweep, which is asked for now and then; none of those that have nothing to do.
 */
export const EXCHANGE = script(`
local now = clock(ARGV[2])
local lane, seq, want, ahead = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local takeLost, leaseMs, waitMs = ARGV[7] == '1', tonumber(ARGV[8]), tonumber(ARGV[9])
local registered, woken, sweep, jitter, presence = ARGV[10] == '1', ARGV[11] == '1', ARGV[12] == '1', tonumber(ARGV[13]), ARGV[14]
if ARGV[15] ~= '' then ${READ_CALLBACKS} end
local cursor = 16
local function count()
  cursor = cursor + 1
  return tonumber(ARGV[cursor - 1])
end
local queueNames = {}
for i = 1, count() do queueNames[i] = ARGV[cursor]; cursor = cursor + 1 end
${'' /* Settlements and extensions alike: refs are numbers into parallel tables, and what many have in common is read once. */}
local refIds, refTexts, refAlikes, refs = {}, {}, {}, 0
for _ = 1, count() do
  local alike = { kind = ARGV[cursor], epoch = tonumber(ARGV[cursor + 1]), ms = tonumber(ARGV[cursor + 2]), progress = ARGV[cursor + 3], heads = {}, urls = {} }
  cursor = cursor + 4
  for _ = 1, count() do
    refs = refs + 1
    refIds[refs], refTexts[refs], refAlikes[refs] = ARGV[cursor], ARGV[cursor + 1], alike
    cursor = cursor + 2
  end
end
local laneKey = prefix .. 'w:' .. lane

${'' /* One read for all that is known beforehand. */}
local keys = { laneKey }
for i, name in ipairs(queueNames) do keys[1 + i] = queueKey(name, 's') end
local base = #keys
for i = 1, refs do keys[base + i] = jobKey(refIds[i]) end
local got = redis.call('MGET', unpack(keys))

local queues = {}
for i, name in ipairs(queueNames) do
  local paused, _, priorities = string.match(got[1 + i] or '', '^(%d*)|(%d*)|(p?)$')
  if paused ~= '1' then queues[#queues + 1] = { name = name, priorities = priorities == 'p' } end
end

${'' /* Timers of a queue: what falls due, what has expired, and when to look again. */}
local function heads(q)
  q.due = redis.call('ZRANGE', queueKey(q.name, 't'), 0, 7, 'WITHSCORES')
  q.leases = redis.call('ZRANGE', queueKey(q.name, 'l'), 0, 7, 'WITHSCORES')
end
local nextAt = nil
local function sooner(ms) if ms and ms < NEVER and (not nextAt or ms < nextAt) then nextAt = ms end end

${'' /* Replay: the same jobs, without those that have moved on. */}
local last = got[1]
if last then
  local lastSeq, lastLate, lastCancelled, lastJobs = string.match(last, '^(%d+)\\n([^\\n]*)\\n([^\\n]*)\\n(.*)$')
  if seq < tonumber(lastSeq) then return { int(now), '', lastSeq, {}, {}, {} } end
  if seq == tonumber(lastSeq) then
    local late, cancelled, jobs, refs, jkeys = {}, {}, {}, {}, {}
    for id in string.gmatch(lastLate, '[^\\t]+') do late[#late + 1] = id end
    for id in string.gmatch(lastCancelled, '[^\\t]+') do cancelled[#cancelled + 1] = id end
    for id, epoch in string.gmatch(lastJobs, '([^\\t]+)\\t(%d+)') do refs[#refs + 1] = { id, tonumber(epoch) }; jkeys[#jkeys + 1] = jobKey(id) end
    if #refs > 0 then
      local records = redis.call('MGET', unpack(jkeys))
      for i, ref in ipairs(refs) do
        local r = records[i] and parse(records[i])
        local s = r and not isFinished(r.state) and redis.call('ZSCORE', queueKey(r.queue, 'l'), ref[1])
        if s and leaseEpoch(s) == ref[2] % 256 and r.epoch + 1 == ref[2] then
          jobs[#jobs + 1] = ref[1]; jobs[#jobs + 1] = records[i]
        end
      end
    end
    for _, q in ipairs(queues) do
      heads(q)
      if q.due[2] then sooner(tonumber(q.due[2])) end
      if q.leases[2] then sooner(leaseEnds(q.leases[2])) end
      if redis.call('LLEN', queueKey(q.name, 'r')) > 0 then sooner(now) end
    end
    return { int(now), nextAt and int(math.max(nextAt, 0)) or '', '', late, cancelled, jobs }
  end
end

local late, cancelled, givenBack, emptied, mset, msetBytes = {}, {}, {}, {}, {}, 0
local function flushPuts()
  if #mset > 0 then redis.call('MSET', unpack(mset)) end
  mset, msetBytes = {}, 0
end
local function put(id, r)
  msetBytes = msetBytes + sizeOf(r)
  if msetBytes > ${MAX_BATCH_BYTES} then flushPuts(); msetBytes = sizeOf(r) end
  mset[#mset + 1] = jobKey(id); mset[#mset + 1] = format(r)
end
${'' /* The oldest give way: their records are kept, and found by id and by when they finished. */}
local function addFailed(q, args)
  local MAX_FAILED = 100000
  redis.call('ZADD', queueKey(q, 'f'), unpack(args))
  redis.call('ZREMRANGEBYRANK', queueKey(q, 'f'), 0, -MAX_FAILED - 1)
end
if refs > 0 then
  ${SETTLE}
end

${'' /* Before anything is claimed: what was put back in this very step is read with its new epoch. */}
flushPuts()
for _, q in ipairs(freeTurns()) do givenBack[#givenBack + 1] = q end

${'' /* Due and expired, of the served queues; then claim. */}
local jobs, given, bytes, taken = {}, {}, 0, 0
local function give(id, epoch, text)
  local n = 2 * taken
  jobs[n + 1], jobs[n + 2] = id, text
  given[n + 1], given[n + 2] = id, int(epoch)
  taken = taken + 1
  if maxEvents then tell('a', id, parseHead(text)) end
  sooner(now + leaseMs)
end
${'' /* An entry that its job has left behind may name a job that is active: such a lease is there already and stays. */}
local function lease(q, ids, epochs, texts)
  if #ids == 0 then return end
  local args, own = {}, want - ahead - taken
  for i = 1, #ids do args[2 * i - 1], args[2 * i] = score(now + leaseMs, epochs[i], epochs[i] == 1 and i > own and 2 or 0), ids[i] end
  local scores = nil
  if redis.call('ZADD', queueKey(q.name, 'l'), 'NX', unpack(args)) < #ids then scores = redis.call('ZMSCORE', queueKey(q.name, 'l'), unpack(ids)) end
  for i = 1, #ids do
    if not scores or int(tonumber(scores[i])) == args[2 * i - 1] then give(ids[i], epochs[i], texts[i]) end
  end
end
local function moveDue(q)
  if not (q.due[2] and tonumber(q.due[2]) <= now) then return end
  local due = q.due
  if #due == 16 and tonumber(due[16]) <= now then due = redis.call('ZRANGE', queueKey(q.name, 't'), 0, 499, 'WITHSCORES') end
  local entries = {}
  for i = 1, #due, 2 do if tonumber(due[i + 1]) <= now then entries[#entries + 1] = due[i] end end
  redis.call('ZREM', queueKey(q.name, 't'), unpack(entries))
  makeReady(q.name, entries, now, false)
  q.due = redis.call('ZRANGE', queueKey(q.name, 't'), 0, 0, 'WITHSCORES')
end
local function pop(q, n)
  local entries = {}
  if q.priorities then
    ${'' /* Members of one score sort by their age, but from the top the youngest come first: of the last score that is reached, the oldest are taken. */}
    local key = queueKey(q.name, 'p')
    local popped = redis.call('ZRANGE', key, 0, n - 1, 'REV', 'WITHSCORES')
    if #popped > 0 then
      local lowest, k, members = popped[#popped], 0, {}
      while popped[#popped] == lowest do popped[#popped] = nil; popped[#popped] = nil; k = k + 1 end
      for _, m in ipairs(redis.call('ZRANGE', key, lowest, lowest, 'BYSCORE', 'LIMIT', 0, k)) do popped[#popped + 1] = m; popped[#popped + 1] = lowest end
      for i = 1, #popped, 2 do members[#members + 1] = popped[i] end
      redis.call('ZREM', key, unpack(members))
    end
    local low = {}
    ${'' /* Highest first, and first in first out within one priority: the score alone does not say so. */}
    local rows = {}
    for i = 1, #popped, 2 do rows[#rows + 1] = { popped[i], tonumber(popped[i + 1]) } end
    table.sort(rows, function(a, b) if a[2] ~= b[2] then return a[2] > b[2] end return a[1] < b[1] end)
    for _, row in ipairs(rows) do
      if row[2] > 0 then entries[#entries + 1] = unranked(row[1]) else low[#low + 1] = row end
    end
    if #entries < n then
      local ready = redis.call('LPOP', queueKey(q.name, 'r'), n - #entries) or {}
      for _, e in ipairs(ready) do entries[#entries + 1] = e end
    end
    local back = {}
    for _, row in ipairs(low) do
      if #entries < n then entries[#entries + 1] = unranked(row[1]) else back[#back + 1] = int(row[2]); back[#back + 1] = row[1] end
    end
    if #back > 0 then redis.call('ZADD', queueKey(q.name, 'p'), unpack(back)) end
    return entries
  end
  return redis.call('LPOP', queueKey(q.name, 'r'), n) or entries
end
local full = false
local function claimReady(q)
  for _ = 1, 5 do
    if taken >= want or full then q.left = true return end
    local asked = want - taken
    local entries = pop(q, asked)
    if #entries == 0 then return end
    local back, ids, epochs, jkeys, n = {}, {}, {}, {}, 0
    for i = 1, #entries do
      local id, epoch, size = parseEntry(entries[i])
      bytes = bytes + size
      if full or (bytes > ${MAX_BATCH_BYTES} and (n > 0 or taken > 0)) then full = true; back[#back + 1] = entries[i]
      else n = n + 1; ids[n], epochs[n], jkeys[n] = id, epoch, jobKey(id) end
    end
    if #back > 0 then
      makeReady(q.name, back, now, true)
      sooner(now)
    end
    local records, seen, claims, claimEpochs, texts, m = redis.call('MGET', unpack(jkeys)), {}, {}, {}, {}, 0
    for i = 1, n do
      local id, text = ids[i], records[i]
      if text and not seen[id] then
        ${'' /* No more is read of a record than whether it is still the entry's: the client takes it apart. */}
        local state, epoch = string.match(text, '^(%a)|(%d*)|')
        if not isFinished(state) and (tonumber(epoch) or 0) == epochs[i] then
          seen[id] = true
          m = m + 1
          claims[m], claimEpochs[m], texts[m] = id, epochs[i] + 1, text
        end
      end
    end
    lease(q, claims, claimEpochs, texts)
    if #entries < asked then return end
  end
  q.left = true
end
for _, q in ipairs(queues) do
  heads(q)
  moveDue(q)
  if q.leases[2] and leaseEnds(q.leases[2]) <= now then
    ${TAKE_OVER}
    takeOver(q)
  end
  if want > 0 then claimReady(q) end
  if q.due[2] then sooner(tonumber(q.due[2])) end
  if q.leases[2] and leaseEnds(q.leases[2]) > now then sooner(leaseEnds(q.leases[2]))
  elseif q.leases[16] then
    local after = redis.call('ZRANGE', queueKey(q.name, 'l'), score(now + 1, 0, 0), '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    if after[2] then sooner(leaseEnds(after[2])) end
  else for i = 2, #q.leases, 2 do if leaseEnds(q.leases[i]) > now then sooner(leaseEnds(q.leases[i])) end end end
  ${'' /* A claim that comes back full has not looked whether more is left: asking would cost a command each time. */}
  if q.left then sooner(now) end
  if woken and q.left then nameWaiting(q.name) end
  emptied[q.name] = want > 0 and not q.left
end
for _, name in ipairs(givenBack) do if not emptied[name] then nameWaiting(name) end end

flushPuts()
for _, q in ipairs(freeTurns()) do nameWaiting(q); sooner(now) end
flushWindows()
if sweep or presence ~= '' then
  ${SWEEP}
  if sweep then sweepWindow(now, 500) end
  if presence ~= '' then
    if sweep then pruneWorkers(now) end
    local MAX_WORKERS = 2000
    local who, says = string.match(presence, '^([^|]*)(.*)$')
    ${'' /* Whoever comes when there are too many makes room of those that have gone, or is not shown. */}
    if redis.call('HSET', prefix .. 'workers', who, int(now) .. says) == 1 and redis.call('HLEN', prefix .. 'workers') > MAX_WORKERS then
      if not pruneWorkers(now) then redis.call('HDEL', prefix .. 'workers', who) end
    end
  end
end
${'' /* A lane that stands in the lists already stays there while it goes on waiting. */}
local waits = taken < want - ahead and waitMs > 0 and not (nextAt and nextAt <= now)
for _, name in ipairs(waits ~= registered and queueNames or {}) do
  local key = queueKey(name, 'w')
  if registered then redis.call('LREM', key, 0, lane)
  elseif redis.call('RPUSH', key, lane) > 1000 then redis.call('LTRIM', key, -500, -1) end
end
redis.call('SET', laneKey, int(seq) .. '\\n' .. table.concat(late, '\\t') .. '\\n' .. table.concat(cancelled, '\\t') .. '\\n' .. table.concat(given, '\\t'), 'PX', ${REPLAY_KEPT_MS})
flushHints()
return { int(now), nextAt and int(nextAt) or '', '', late, cancelled, jobs }
`)
