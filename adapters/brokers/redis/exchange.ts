import { MAX_BATCH_BYTES, MAX_LOST_LEASES } from '../../../src/broker.ts'
import { READ_CALLBACKS } from './callbacks.ts'
import { HEAD_AND_REST, script } from './lua.ts'
import { SWEEP } from './sweep.ts'

const LOST_ERROR = JSON.stringify({
  name: 'LeaseLost',
  message: `expected a worker to finish the job, got ${MAX_LOST_LEASES} workers that went away in the middle of it: it may be what ends them`,
})
const FAILED_KEEP_MS = 7 * 86_400_000
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

${'' /* Fence: the lease has to be there, at the ref's epoch. One ZMSCORE for all refs of a queue. */}
local late, cancelled, mset, msetBytes = {}, {}, {}, 0
local function flushPuts()
  if #mset > 0 then redis.call('MSET', unpack(mset)) end
  mset, msetBytes = {}, 0
end
local function put(id, r)
  msetBytes = msetBytes + sizeOf(r)
  if msetBytes > ${MAX_BATCH_BYTES} then flushPuts(); msetBytes = sizeOf(r) end
  mset[#mset + 1] = jobKey(id); mset[#mset + 1] = format(r)
end
${'' /* What stands before the body, and the body. Jobs of a batch share their heads, which are read once: not to be changed. */}
local headOf, lastText, lastHead = {}, '', nil
local function split(text)
  local size = #lastText
  if size == 0 or string.sub(text, 1, size) ~= lastText then
    size = string.match(text, '${HEAD_AND_REST}') - 1
    lastText = string.sub(text, 1, size)
    lastHead = headOf[lastText]
    if not lastHead then lastHead = parseHead(lastText); headOf[lastText] = lastHead end
  end
  return lastHead, string.sub(text, size + 1)
end
local byQueue, order = {}, {}
for i = 1, refs do
  if not got[base + i] then late[#late + 1] = refIds[i]
  else
    local h, body = split(got[base + i])
    local g = byQueue[h.queue]
    if not g then g = { n = 0, ids = {}, at = {}, heads = {}, bodies = {} }; byQueue[h.queue] = g; order[#order + 1] = h.queue end
    local n = g.n + 1
    g.n, g.ids[n], g.at[n], g.heads[n], g.bodies[n] = n, refIds[i], i, h, body
  end
end
${'' /* The usual end, of many jobs alike: nothing of them is worked out twice. */}
local function succeed(i, h, body)
  local a = refAlikes[i]
  local head = a.heads[h]
  if not head then
    head = format({ state = 's', epoch = a.epoch, attempts = h.attempts + 1, lost = h.lost, at = now + a.ms, fin = now, pri = h.pri, queue = h.queue,
      meta = h.meta, waiters = '', err = h.err, progress = a.progress ~= '' and a.progress or h.progress, body = '' })
    a.heads[h] = head
    a.urls[h] = urlOf(h.meta, 'onSuccess')
    hintWaiters(h.waiters)
  end
  local n = #mset
  mset[n + 1], mset[n + 2] = keys[base + i], head .. fingerprint(body) .. '\\t' .. refTexts[i]
  expire(refIds[i], now + a.ms, now, #mset[n + 2])
  if a.urls[h] ~= '' then callBack(refIds[i], 'onSuccess', a.urls[h], a.epoch, h.queue, now) end
  if maxEvents then tell('s', refIds[i], h, h.attempts + 1) end
end

${'' /* The oldest give way: their records are kept, and found by id and by when they finished. */}
local function addFailed(q, args)
  local MAX_FAILED = 100000
  redis.call('ZADD', queueKey(q, 'f'), unpack(args))
  redis.call('ZREMRANGEBYRANK', queueKey(q, 'f'), 0, -MAX_FAILED - 1)
end
local function isAhead(s) return math.floor(tonumber(s) / 2) % 2 == 1 end

local seenInStep, givenBack, emptied = {}, {}, {}
for _, q in ipairs(order) do
  local g = byQueue[q]
  local scores = redis.call('ZMSCORE', queueKey(q, 'l'), unpack(g.ids))
  local ended, timed, back, extended, failed = {}, {}, {}, {}, {}
  for n, i in ipairs(g.at) do
    local id, a, h, s = refIds[i], refAlikes[i], g.heads[n], scores[n]
    local epoch, kind, ms = a.epoch, a.kind, a.ms
    local holds = s and leaseEpoch(s) == epoch % 256 and h.epoch + 1 == epoch and not isFinished(h.state) and not seenInStep[id]
    if not holds then
      ${'' /* Settled under this very lease before: a copy, not late. A lease that ended otherwise has moved the epoch further. */}
      if h.epoch ~= epoch or s then late[#late + 1] = id end
    elseif kind == 'extend' then
      local asked = tonumber(s) % 2
      if asked == 1 then cancelled[#cancelled + 1] = id end
      extended[#extended + 1] = score(now + leaseMs, epoch, asked); extended[#extended + 1] = id
      if a.progress ~= '' then
        local r = parse(got[base + i])
        r.progress = a.progress; put(id, r)
      end
    else
      seenInStep[id] = true
      ended[#ended + 1] = id
      if kind == 'succeeded' then succeed(i, h, g.bodies[n])
      else
        local r, text = parse(got[base + i]), refTexts[i]
        r.epoch = epoch
        if a.progress ~= '' then r.progress = a.progress end
        if tonumber(s) % 2 == 1 and (kind == 'retry' or kind == 'released') then kind = 'cancelled'; ms = 3600000 end
        if kind == 'retry' then
          r.state = 'y'; r.attempts = r.attempts + 1; r.err = text; r.at = now + ms
          timed[#timed + 1] = int(r.at); timed[#timed + 1] = entry(id, epoch, sizeOf(r), r.pri)
        elseif kind == 'released' then
          if ms > 0 then r.state = 't'; r.at = now + ms; timed[#timed + 1] = int(r.at); timed[#timed + 1] = entry(id, epoch, sizeOf(r), r.pri)
          else r.state = 'q'; r.at = 0; back[#back + 1] = entry(id, epoch, sizeOf(r), r.pri) end
        else
          r.at = now + ms; r.fin = now
          if kind == 'failed' then r.state = 'f'; r.attempts = r.attempts + 1; r.err = text; failed[#failed + 1] = int(now); failed[#failed + 1] = id
          else r.state = 'c' end
          finish(id, r)
        end
        put(id, r)
        tell(r.state, id, r)
      end
    end
  end
  if #ended > 0 then redis.call('ZREM', queueKey(q, 'l'), unpack(ended)) end
  if #extended > 0 then redis.call('ZADD', queueKey(q, 'l'), 'XX', unpack(extended)) end
  if #timed > 0 then redis.call('ZADD', queueKey(q, 't'), unpack(timed)) end
  if #failed > 0 then addFailed(q, failed) end
  if #back > 0 then makeReady(q, back, now, true); givenBack[#givenBack + 1] = q end
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
${
  '' /*
  A lease that has ended without a word. A job that was only claimed ahead goes back uncounted. Any other is taken over at once the
  first time; then it is parked, longer and longer; at last it fails.
*/
}
local function takeOver(q)
  if not (q.leases[2] and leaseEnds(q.leases[2]) <= now) then return end
  local ids, scores, back, backBytes = {}, {}, {}, 0
  if q.leases[16] and leaseEnds(q.leases[16]) <= now then q.leases = redis.call('ZRANGE', queueKey(q.name, 'l'), 0, 199, 'WITHSCORES') end
  for i = 1, #q.leases, 2 do
    if leaseEnds(q.leases[i + 1]) <= now and (i < 16 or isAhead(q.leases[i + 1])) then ids[#ids + 1] = q.leases[i]; scores[#ids] = q.leases[i + 1] end
  end
  local gone, left = {}, false
  for i, id in ipairs(ids) do
    ${'' /* One at a time: a lease does not say how large its record is. */}
    local text = redis.call('GET', jobKey(id))
    local r = text and parse(text)
    if not r or isFinished(r.state) then gone[#gone + 1] = id
    else
      local parked = leaseEpoch(scores[i]) == r.epoch % 256
      local asked = tonumber(scores[i]) % 2 == 1
      if asked or (not parked and r.lost + 1 >= ${MAX_LOST_LEASES}) then
        r.epoch = r.epoch + 2; r.lost = r.lost + 1; r.fin = now; r.at = now + ${FAILED_KEEP_MS}
        r.state = asked and 'c' or 'f'
        if not asked then r.err = '${LOST_ERROR}'; addFailed(q.name, { int(now), id }) end
        gone[#gone + 1] = id
        finish(id, r); put(id, r)
        tell(r.state, id, r)
      elseif not parked and isAhead(scores[i]) then
        backBytes = backBytes + sizeOf(r)
        if #back > 0 and backBytes > ${MAX_BATCH_BYTES} then sooner(now) break end
        r.epoch = r.epoch + 2; r.state = 'q'; r.at = 0; put(id, r)
        gone[#gone + 1] = id; back[#back + 1] = entry(id, r.epoch, sizeOf(r), r.pri)
        tell('q', id, r)
      elseif not parked and r.lost > 0 then
        local ms = math.floor(r.lost * leaseMs * (0.5 + jitter / 2))
        r.epoch = r.epoch + 2; r.lost = r.lost + 1; r.state = 'y'; r.at = now + ms
        put(id, r)
        tell('y', id, r)
        redis.call('ZADD', queueKey(q.name, 'l'), score(r.at, r.epoch, 0), id)
        sooner(r.at)
      elseif takeLost and taken < want then
        if not parked then r.epoch = r.epoch + 2; r.lost = r.lost + 1; r.state = 'q'; r.at = 0; put(id, r); tell('q', id, r) end
        takeLost = false
        redis.call('ZADD', queueKey(q.name, 'l'), score(now + leaseMs, r.epoch + 1, 0), id)
        bytes = bytes + sizeOf(r)
        give(id, r.epoch + 1, format(r))
      else left = true end
    end
  end
  if #gone > 0 then redis.call('ZREM', queueKey(q.name, 'l'), unpack(gone)) end
  if #back > 0 then flushPuts(); makeReady(q.name, back, now, true) end
  if left and takeLost then sooner(now) end
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
  takeOver(q)
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
