import { MAX_BATCH_BYTES, MAX_BATCH_JOBS, STUB_MS } from '../../../src/broker.ts'
import { CANCEL_HINT, script } from './lua.ts'
import { FIRST_READ } from './read.ts'
import { SWEEP } from './sweep.ts'

/**
 * Reading and writing jobs that a call names. `read` and `readWithLease` answer a job, the score of its lease, and whether that is a
 * holder's, or parks a job that has lost several. It reads the upvalue `now`.
 *
 * After `readAhead(from, step)`, with where in ARGV the ids stand, jobs are read and written many at a time: few at first, and more the smaller
 * they turn out, as nobody knows their sizes. Then `flushChanges()` has to be called at the end. A call costs the same for 1 job and for
 * 8; 1,000 small ones are read and written in three goes.
 */
const LEASES = `
local upcoming, nextAt, atOnce, found, scores = nil, 1, ${FIRST_READ}, {}, {}
local puts, unfailed, untimed, back = {}, {}, {}, {}
local function readAhead(from, step)
  upcoming = {}
  for at = from, #ARGV, step do upcoming[#upcoming + 1] = ARGV[at] end
end
local function listFor(lists, q)
  lists[q] = lists[q] or {}
  return lists[q]
end
${'' /* Index before record: half-way leaves entries that a claim passes over. */}
local function flushChanges()
  for q, ids in pairs(unfailed) do redis.call('ZREM', queueKey(q, 'f'), unpack(ids)) end
  for q, entries in pairs(untimed) do redis.call('ZREM', queueKey(q, 't'), unpack(entries)) end
  for q, entries in pairs(back) do makeReady(q, entries, now, false); nameWaiting(q) end
  if #puts > 0 then redis.call('MSET', unpack(puts)) end
  puts, unfailed, untimed, back = {}, {}, {}, {}
end
local function readSome()
  flushChanges()
  local n, keys, byQueue, largest = math.min(atOnce, #upcoming + 1 - nextAt), {}, {}, 1
  for i = 1, n do keys[i] = jobKey(upcoming[nextAt + i - 1]) end
  local got = redis.pcall('MGET', unpack(keys))
  if got.err then
    if n == 1 then error(got.err) end
    atOnce = math.ceil(n / 2)
    return
  end
  found, scores = {}, {}
  for i = 1, n do
    local id, text = upcoming[nextAt + i - 1], got[i]
    if text and not found[id] then
      largest = math.max(largest, #text)
      found[id] = parse(text)
      if not isFinished(found[id].state) then table.insert(listFor(byQueue, found[id].queue), id) end
    elseif not text then found[id] = false end
  end
  for q, ids in pairs(byQueue) do
    for i, s in ipairs(redis.call('ZMSCORE', queueKey(q, 'l'), unpack(ids))) do scores[ids[i]] = s end
  end
  nextAt = nextAt + n
  atOnce = math.max(1, math.min(16 * n, math.floor(${MAX_BATCH_BYTES} / largest), ${MAX_BATCH_JOBS}))
end
local function leaseOf(id, r)
  local s
  if upcoming then s = scores[id] else s = redis.call('ZSCORE', queueKey(r.queue, 'l'), id) end
  if not s then return nil end
  return s, leaseEpoch(s) == (r.epoch + 1) % 256
end
local function read(id)
  while upcoming and found[id] == nil do readSome() end
  local text = not upcoming and redis.call('GET', jobKey(id))
  local r = found[id] or (text and parse(text))
  if not r or r.state == 'x' then return nil end
  return r
end
local function readWithLease(id)
  local r = read(id)
  if not r or isFinished(r.state) then return r, nil, false end
  return r, leaseOf(id, r)
end
local function leave(id, r, s)
  if s then redis.call('ZREM', queueKey(r.queue, 'l'), id) end
  if r.state ~= 'b' then return end
  ${'' /* No claim would ever come by the place that its due time, which never comes, holds. */}
  if upcoming then table.insert(listFor(untimed, r.queue), id) else redis.call('ZREM', queueKey(r.queue, 't'), id) end
end
local function write(id, r)
  if upcoming then puts[#puts + 1] = jobKey(id); puts[#puts + 1] = format(r)
  else redis.call('SET', jobKey(id), format(r)) end
end
`

/** `cancelJob(id)` answers a word: cancelled, asked, finished, unknown. It reads the upvalue `now`. */
export const CANCEL_JOB = `${LEASES}
local function cancelJob(id)
  local r, s, held = readWithLease(id)
  if not r then return 'unknown' end
  if isFinished(r.state) then return r.state == 'c' and 'cancelled' or 'finished' end
  if held then
    redis.call('ZADD', queueKey(r.queue, 'l'), 'XX', score(leaseEnds(s), r.epoch + 1, 1), id)
    hint('${CANCEL_HINT}' .. string.gsub(id, ' ', '_'))
    return 'asked'
  end
  leave(id, r, s)
  r.state = 'c'; r.fin = now; r.at = now + ${STUB_MS}
  finish(id, r); write(id, r)
  tell('c', id, r)
  return 'cancelled'
end
`

/**
 * ARGV: prefix, now, ids. Returns a word per id: cancelled, asked, finished, unknown.
 * Commands: EVALSHA, TIME, MGET, ZMSCORE, MSET, and RPUSH and ZADD for when the records end; one more for each that is active, and
 * those of `freeTurns` where others wait for them.
 */
export const CANCEL = script(`
local now, out = clock(ARGV[2]), {}
${CANCEL_JOB}
readAhead(3, 1)
for at = 3, #ARGV do out[#out + 1] = cancelJob(ARGV[at]) end
flushChanges(); flushWindows(); flushHints()
return out
`)

/**
 * ARGV: prefix, now, then id and epoch per job. Returns a word per job: queued, moved, unknown.
 * Commands: EVALSHA, TIME, MGET, ZREM, RPUSH (or ZADD with a priority), RPOP, MSET, and PUBLISH when somebody waits.
 */
export const RETRY = script(`
local now, out = clock(ARGV[2]), {}
${LEASES}
readAhead(3, 2)
for at = 3, #ARGV, 2 do
  local id, epoch = ARGV[at], tonumber(ARGV[at + 1])
  local r, s, held = readWithLease(id)
  if not r then out[#out + 1] = 'unknown'
  elseif r.state == 'q' and not held and r.epoch == epoch + 1 then out[#out + 1] = 'queued'
  elseif r.epoch ~= epoch or (r.state ~= 'f' and r.state ~= 'c') then out[#out + 1] = 'moved'
  else
    if r.state == 'f' then table.insert(listFor(unfailed, r.queue), id) end
    r.state = 'q'; r.epoch = epoch + 1; r.attempts = 0; r.lost = 0; r.at = 0; r.fin = 0; r.waiters = REPLAYED
    table.insert(listFor(back, r.queue), entry(id, r.epoch, sizeOf(r), r.pri))
    write(id, r)
    tell('q', id, r)
    out[#out + 1] = 'queued'
  end
end
flushChanges(); flushHints()
return out
`)

/**
 * Has jobs that are due later be due now. The epoch moves, so that an entry that is left behind brings nothing back; one that has lost several
 * leases stays parked, until now. ARGV: prefix, now, then id and epoch per job. Returns a word per job: queued, moved, unknown.
 * Commands: EVALSHA, TIME, MGET, ZMSCORE, ZREM, RPUSH (or ZADD), RPOP, MSET, and PUBLISH when somebody waits.
 */
export const PROMOTE = script(`
local now, out = clock(ARGV[2]), {}
${LEASES}
readAhead(3, 2)
local function promote(id, epoch)
  local r, s, held = readWithLease(id)
  if not r then return 'unknown' end
  if r.state == 'q' and not held and r.epoch == epoch + 1 then return 'queued' end
  if held or r.epoch ~= epoch or (r.state ~= 't' and r.state ~= 'y') then return 'moved' end
  if r.at <= now then return 'queued' end
  if s then
    r.at = now
    redis.call('ZADD', queueKey(r.queue, 'l'), 'XX', score(now, r.epoch, 0), id)
    nameWaiting(r.queue)
  else
    ${'' /* Who waits was no part of a new job's size, and was of one that is retried. */}
    table.insert(listFor(untimed, r.queue), entry(id, epoch, sizeOf(r), r.pri))
    if #r.body >= LARGE / 2 then table.insert(listFor(untimed, r.queue), entry(id, epoch, #format(r) - #r.waiters, r.pri)) end
    r.state = 'q'; r.epoch = epoch + 1; r.at = 0
    table.insert(listFor(back, r.queue), entry(id, r.epoch, sizeOf(r), r.pri))
  end
  write(id, r)
  tell('q', id, r)
  return 'queued'
end
for at = 3, #ARGV, 2 do out[#out + 1] = promote(ARGV[at], tonumber(ARGV[at + 1])) end
flushChanges(); flushHints()
return out
`)

/**
 * What is removed leaves its id, so that a late copy of its enqueue creates nothing. ARGV: prefix, now, ids.
 * Commands: EVALSHA, TIME, MGET, ZMSCORE, ZREM where some have failed, MSET, RPUSH and ZADD.
 */
export const REMOVE = script(`
local now, out = clock(ARGV[2]), {}
${LEASES}
readAhead(3, 1)
for at = 3, #ARGV do
  local id = ARGV[at]
  local r, s, held = readWithLease(id)
  if not r then out[#out + 1] = 'unknown'
  elseif held then out[#out + 1] = 'active'
  else
    leave(id, r, s)
    if r.state == 'f' then table.insert(listFor(unfailed, r.queue), id) end
    r.state = 'x'; r.body = ''; r.err = ''; r.progress = ''; r.fin = now; r.at = now + ${STUB_MS}
    finish(id, r, 0); write(id, r)
    tell('x', id, r)
    out[#out + 1] = 'removed'
  end
end
flushChanges(); flushWindows(); flushHints()
return out
`)

/**
 * Removes what waits in a queue, from the oldest on, as far as the limit and the bytes of a claim go. Based on the queue's revision, which
 * moves. ARGV: prefix, now, queue, revision, limit. Returns { purged or moved, how many were removed, 1 when more may be left }.
 * Record before index: half-way leaves entries that a claim passes over.
 * Commands: EVALSHA, TIME, GET, SET, SADD, RPUSH and ZADD, and a read, MGET, ZMSCORE, MSET and a trim for each place that is not empty; those
 * of `freeTurns` where jobs of other queues wait for them.
 */
export const PURGE = script(`
local now, out = clock(ARGV[2]), {}
${LEASES}
local q, revision, limit = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local settings = queueKey(q, 's')
local paused, current, p = string.match(redis.call('GET', settings) or '||', '^(%d*)|(%d*)|(p?)$')
if (tonumber(current) or 0) ~= revision then return { 'moved', 0, 0 } end
local taken, bytes, removed, full = 0, 0, 0, false
local function drop(id, r)
  r.state = 'x'; r.body = ''; r.err = ''; r.progress = ''; r.fin = now; r.at = now + ${STUB_MS}
  finish(id, r, 0)
  puts[#puts + 1] = jobKey(id); puts[#puts + 1] = format(r)
  removed = removed + 1
  tell('x', id, r)
end
${'' /* Bounded in bytes before reading, by what the entries say. */}
local function fitting(entries)
  local ids, epochs, keys = {}, {}, {}
  for i, e in ipairs(entries) do
    local id, epoch, size = parseEntry(e)
    bytes = bytes + size
    if bytes > ${MAX_BATCH_BYTES} and taken + i > 1 then full = true break end
    ids[i], epochs[i], keys[i] = id, epoch, jobKey(id)
  end
  return ids, epochs, keys
end
${'' /* The entry of a blocked job does not say how large it is. */}
local blocked = {}
local function entriesOf(place, key, n)
  if place == 'r' then return redis.call('LRANGE', key, 0, n - 1) end
  local flat, entries = redis.call('ZRANGE', key, 0, n - 1, 'WITHSCORES'), {}
  for i = 1, #flat, 2 do
    if place == 'p' then entries[#entries + 1] = unranked(flat[i])
    elseif tonumber(flat[i + 1]) < NEVER then entries[#entries + 1] = flat[i]
    else blocked[#blocked + 1] = flat[i] end
  end
  return entries
end
local function purge(place)
  if full or taken == limit then return end
  local key = queueKey(q, place)
  local entries = entriesOf(place, key, limit - taken)
  if #entries == 0 then return end
  local ids, epochs, keys = fitting(entries)
  if #ids == 0 then return end
  local got, leases, seen = redis.call('MGET', unpack(keys)), redis.call('ZMSCORE', queueKey(q, 'l'), unpack(ids)), {}
  for i, id in ipairs(ids) do
    local r = got[i] and not leases[i] and not seen[id] and parse(got[i])
    seen[id] = true
    if r and not isFinished(r.state) and r.epoch == epochs[i] then drop(id, r) end
  end
  flushChanges()
  if place == 'r' then redis.call('LTRIM', key, #ids, -1) else redis.call('ZREMRANGEBYRANK', key, 0, #ids - 1) end
  taken = taken + #ids
end
purge('r'); purge('p'); purge('t')
${'' /* Last those whose sizes nobody knows: the blocked ones, and those that have lost several leases and are parked among them. */}
if not full and taken < limit then
  local parked = {}
  upcoming = { unpack(blocked) }
  taken = taken + #blocked
  for _, id in ipairs(taken < limit and redis.call('ZRANGE', queueKey(q, 'l'), 0, limit - taken - 1) or {}) do upcoming[#upcoming + 1] = id end
  for _, id in ipairs(upcoming) do
    local r, s, held = readWithLease(id)
    if r and s and not held then parked[#parked + 1] = id; drop(id, r)
    elseif r and r.state == 'b' then drop(id, r) end
  end
  flushChanges()
  if #blocked > 0 then redis.call('ZREM', queueKey(q, 't'), unpack(blocked)) end
  if #parked > 0 then redis.call('ZREM', queueKey(q, 'l'), unpack(parked)) end
end
redis.call('SET', settings, (paused == '' and '0' or paused) .. '|' .. int(revision + 1) .. '|' .. p)
redis.call('SADD', prefix .. 'queues', q)
flushWindows(); flushHints()
return { 'purged', removed, (full or taken == limit) and 1 or 0 }
`)

/** ARGV: prefix, queue, paused, revision. Returns set, existing or moved. */
export const SET_PAUSED = script(`
local key, paused, revision = queueKey(ARGV[2], 's'), ARGV[3], tonumber(ARGV[4])
local was, current, p = string.match(redis.call('GET', key) or '||', '^(%d*)|(%d*)|(p?)$')
current = tonumber(current) or 0
if was == '' then was = '0' end
if current == revision + 1 and was == paused then return 'existing' end
if current ~= revision then return 'moved' end
redis.call('SET', key, paused .. '|' .. int(revision + 1) .. '|' .. p)
redis.call('SADD', prefix .. 'queues', ARGV[2])
if paused == '0' then nameWaiting(ARGV[2]); flushHints() end
return 'set'
`)

/**
 * Reads jobs and has the waiter hinted by whoever finishes one of them; beyond so many waiters of one job, further ones look
 * by themselves. ARGV: prefix, waiter, ids.
 */
export const GET_AND_WAIT = script(`
local waiter, keys, MAX_WAITERS_BYTES = ARGV[2], {}, 4000
for at = 3, #ARGV do keys[#keys + 1] = jobKey(ARGV[at]) end
local got, mset = redis.call('MGET', unpack(keys)), {}
for i, text in ipairs(got) do
  local r = text and parse(text)
  if r and not isFinished(r.state) and #r.waiters < MAX_WAITERS_BYTES and not string.find(' ' .. r.waiters .. ' ', ' ' .. waiter .. ' ', 1, true) then
    r.waiters = (r.waiters == '' and '' or r.waiters .. ' ') .. waiter
    mset[#mset + 1] = keys[i]; mset[#mset + 1] = format(r)
  end
end
if #mset > 0 then redis.call('MSET', unpack(mset)) end
return got
`)

/**
 * Counts the places of queues. ARGV: prefix, now, queues (none for every one). Returns { now, [queue, settings, r, p, l, t, f]... }.
 * Commands: six for each queue, TIME, and SMEMBERS for all of them.
 */
export const STATS = script(`
local queues, rows = { unpack(ARGV, 3) }, {}
if not queues[1] then queues = redis.call('SMEMBERS', prefix .. 'queues') end
for _, q in ipairs(queues) do
  rows[#rows + 1] = { q, redis.call('GET', queueKey(q, 's')) or '||', redis.call('LLEN', queueKey(q, 'r')), redis.call('ZCARD', queueKey(q, 'p')),
    redis.call('ZCARD', queueKey(q, 'l')), redis.call('ZCARD', queueKey(q, 't')), redis.call('ZCARD', queueKey(q, 'f')) }
end
return { int(clock(ARGV[2])), rows }
`)

/** Deletes records whose time is over. ARGV: prefix, now, limit. Returns how many. */
export const PRUNE = script(`
local now, limit, pruned = clock(ARGV[2]), tonumber(ARGV[3]), 0
${SWEEP}
while pruned < limit do
  local swept = sweepWindow(now, math.min(500, limit - pruned))
  if not swept then break end
  pruned = pruned + swept
end
pruneWorkers(now)
return pruned
`)
