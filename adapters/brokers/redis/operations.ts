import { STUB_MS } from '../../../src/broker.ts'
import { script } from './lua.ts'

/** Whether a lease is a holder's, or parks a job that has lost several. */
const LEASES = `
local function leaseOf(id, r)
  local s = redis.call('ZSCORE', queueKey(r.queue, 'l'), id)
  if not s then return nil end
  return s, leaseEpoch(s) == (r.epoch + 1) % 256
end
local function read(id)
  local text = redis.call('GET', jobKey(id))
  local r = text and parse(text)
  if r and r.state == 'x' then return nil end
  return r
end
local function readWithLease(id)
  local r = read(id)
  if not r or isFinished(r.state) then return r, nil, false end
  return r, leaseOf(id, r)
end
local function write(id, r) redis.call('SET', jobKey(id), format(r)) end
`

/** ARGV: prefix, now, ids. Returns a word per id: cancelled, asked, finished, unknown. */
export const CANCEL = script(`${LEASES}
local now, out = clock(ARGV[2]), {}
for at = 3, #ARGV do
  local id = ARGV[at]
  local r, s, held = readWithLease(id)
  if not r then out[#out + 1] = 'unknown'
  elseif isFinished(r.state) then out[#out + 1] = r.state == 'c' and 'cancelled' or 'finished'
  elseif held then
    redis.call('ZADD', queueKey(r.queue, 'l'), 'XX', score(leaseEnds(s), r.epoch + 1, 1), id)
    out[#out + 1] = 'asked'
  else
    if s then redis.call('ZREM', queueKey(r.queue, 'l'), id) end
    r.state = 'c'; r.fin = now; r.at = now + ${STUB_MS}
    expire(id, r.at, r.fin, sizeOf(r)); hintWaiters(r.waiters); r.waiters = ''; write(id, r)
    out[#out + 1] = 'cancelled'
  end
end
flushWindows(); flushHints()
return out
`)

/** ARGV: prefix, now, then id and epoch per job. Returns a word per job: queued, moved, unknown. */
export const RETRY = script(`${LEASES}
local now, out = clock(ARGV[2]), {}
for at = 3, #ARGV, 2 do
  local id, epoch = ARGV[at], tonumber(ARGV[at + 1])
  local r = read(id)
  if not r then out[#out + 1] = 'unknown'
  elseif r.epoch ~= epoch or (r.state ~= 'f' and r.state ~= 'c') then out[#out + 1] = 'moved'
  else
    if r.state == 'f' then redis.call('ZREM', queueKey(r.queue, 'f'), id) end
    r.state = 'q'; r.epoch = epoch + 1; r.attempts = 0; r.lost = 0; r.at = 0; r.fin = 0
    makeReady(r.queue, { entry(id, r.epoch, sizeOf(r), r.pri) }, now, false)
    write(id, r)
    nameWaiting(r.queue)
    out[#out + 1] = 'queued'
  end
end
flushHints()
return out
`)

/** What is removed leaves its id, so that a late copy of its enqueue creates nothing. ARGV: prefix, now, ids. */
export const REMOVE = script(`${LEASES}
local now, out = clock(ARGV[2]), {}
for at = 3, #ARGV do
  local id = ARGV[at]
  local r, s, held = readWithLease(id)
  if not r then out[#out + 1] = 'unknown'
  elseif held then out[#out + 1] = 'active'
  else
    if s then redis.call('ZREM', queueKey(r.queue, 'l'), id) end
    if r.state == 'f' then redis.call('ZREM', queueKey(r.queue, 'f'), id) end
    r.state = 'x'; r.body = ''; r.err = ''; r.progress = ''; r.fin = now; r.at = now + ${STUB_MS}
    expire(id, r.at, r.fin, 0); hintWaiters(r.waiters); r.waiters = ''; write(id, r)
    out[#out + 1] = 'removed'
  end
end
flushWindows(); flushHints()
return out
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
while pruned < limit do
  local swept = sweepWindow(now, math.min(500, limit - pruned))
  if not swept then break end
  pruned = pruned + swept
end
pruneWorkers(now)
return pruned
`)
