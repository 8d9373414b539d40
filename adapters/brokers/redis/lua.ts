import { CANCELS, MAX_BATCH_BYTES, MAX_BATCH_JOBS, STUB_MS } from '../../../src/broker.ts'
import { CALLBACKS } from './callbacks.ts'
import { CHECK_FORMAT } from './format.ts'
import { FREE_TURNS } from './overlap.ts'
import { TELL } from './transitions.ts'

/** A record from this size on is large: its entry says how large. As many as a claim may bring, each smaller, are within its bytes. */
const LARGE_BYTES = MAX_BATCH_BYTES / MAX_BATCH_JOBS
/** A pattern that finds where the last line of a record begins. */
export const HEAD_AND_REST = '^[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n()'
/** In a hint, before the id of a job that is to be cancelled. */
export const CANCEL_HINT = `${CANCELS}=`

/**
 * What all scripts share. Lua is Redis 7.0's, Valkey's and Upstash's common part: no cjson, numbers by `string.format`.
 *
 * A script makes each of its functions anew whenever it runs, called or not, and that is a good part of what a small step costs. What few steps
 * need is a text of its own, which stands within who needs it: `GIVE_WAY`, `JUDGE`, `MAKE_CALLBACKS`, `SETTLE`, `SWEEP`, `TAKE_OVER`.
 *
 * A record is a string of six lines, so that scripts read what they need without decoding the payload:
 *
 *   1. `state|epoch|attempts|lost|atMs|finishedAtMs|priority|queue`, empty for 0
 *   2. meta: `task|createdAtMs|v|more as JSON`: the tick's fields, `tags`, `fingerprint`, `onSuccess` and `onFailure` where there are any
 *   3. waiters to hint when it finishes, separated by spaces, and the marks of `FREE_TURNS`
 *   4. the last error as JSON    5. the last progress as JSON
 *   6. the input as JSON; of a succeeded job the input's fingerprint, a tab, and the result
 *
 * The state in a record is where the job stands without its lease: `q` queued (or active: then it has a lease), `t` timed
 * (scheduled), `b` blocked, `y` retrying, `s` succeeded, `f` failed, `c` cancelled, `x` removed. Its epoch is that of the last lease
 * that has ended; a claim holds the next one.
 *
 * A lease's score is (ms * 256 + epoch % 256) * 4 + flags (1: its cancellation was asked for, 2: claimed ahead and not extended yet): one
 * ZMSCORE fences a whole batch. Below 2^53 until 2248.
 *
 * An entry of a ready list is the id; with a tab and the epoch once it has one, so that an entry that a job has left behind
 * never brings it back; with another tab and the size in KiB if the record is large, so that a claim is bounded before it reads; with a third and the
 * priority if it has one. An entry of a window, where the ids of finished jobs wait for their end, has a tab behind it if the
 * record is too large for hundreds of its kind to be read at once.
 */
const PRELUDE = `
local prefix, maxEvents = string.match(ARGV[1], '^(.*:)(%d*)$')
maxEvents = tonumber(maxEvents)
${'' /* Counted where they run: all of them are billed. */}
local inner, calls = redis, 0
local redis = {
  sha1hex = inner.sha1hex,
  call = function(...) calls = calls + 1 return inner.call(...) end,
  pcall = function(...) calls = calls + 1 return inner.pcall(...) end,
}
${CHECK_FORMAT}${'' /* Remembered: the jobs of a batch share most of their numbers. */}
local ints = {}
local function int(n)
  local text = ints[n]
  if not text then text = string.format('%.0f', n); ints[n] = text end
  return text
end
local function field(n) if n == 0 then return '' end return int(n) end
local function jobKey(id) return prefix .. 'j:' .. id end
local function queueKey(q, place) return prefix .. 'q:' .. q .. ':' .. place end
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local function parseHead(text)
  local s, e, a, l, at, fin, pri, q, meta, waiters, err, progress =
    string.match(text, '^(%a)|(%d*)|(%d*)|(%d*)|(%d*)|(%d*)|(%-?%d*)|([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n')
  return { state = s, epoch = tonumber(e) or 0, attempts = tonumber(a) or 0, lost = tonumber(l) or 0,
    at = tonumber(at) or 0, fin = tonumber(fin) or 0, pri = tonumber(pri) or 0, queue = q,
    meta = meta, waiters = waiters, err = err, progress = progress, body = '' }
end
local function parse(text)
  local r = parseHead(text)
  r.body = string.sub(text, string.match(text, '${HEAD_AND_REST}'))
  return r
end
local function format(r)
  return r.state .. '|' .. field(r.epoch) .. '|' .. field(r.attempts) .. '|' .. field(r.lost) .. '|' .. field(r.at) .. '|' ..
    field(r.fin) .. '|' .. field(r.pri) .. '|' .. r.queue .. '\\n' .. r.meta .. '\\n' .. r.waiters .. '\\n' .. r.err .. '\\n' ..
    r.progress .. '\\n' .. r.body
end
local LARGE = ${LARGE_BYTES}
local function sizeOf(r) return #r.body + #r.err + #r.progress + #r.waiters + #r.meta + #r.queue + 120 end
local function entry(id, epoch, bytes, pri)
  local kib = bytes >= LARGE and int(math.ceil(bytes / 1024)) or ''
  if pri ~= 0 then return id .. '\\t' .. int(epoch) .. '\\t' .. kib .. '\\t' .. int(pri) end
  if kib ~= '' then return id .. '\\t' .. int(epoch) .. '\\t' .. kib end
  if epoch > 0 then return id .. '\\t' .. int(epoch) end
  return id
end
local function parseEntry(text)
  if not string.find(text, '\\t', 1, true) then return text, 0, LARGE, 0 end
  local id, epoch, kib, pri = string.match(text, '^([^\\t]*)\\t(%d+)\\t?(%d*)\\t?(%-?%d*)$')
  if not id then return text, 0, LARGE, 0 end
  return id, tonumber(epoch), kib == '' and LARGE or tonumber(kib) * 1024, tonumber(pri) or 0
end
${'' /* First in, first out within a priority: members of one score sort by their text. */}
local function ranked(e, now, at) return string.format('%013.0f%04d', now, at) .. '\\t' .. e end
local function unranked(member) return string.match(member, '^[^\\t]*\\t(.*)$') end
local function markPriorities(q)
  local s = redis.call('GET', queueKey(q, 's')) or '||'
  if not string.match(s, '|p$') then redis.call('SET', queueKey(q, 's'), string.match(s, '^(%d*|%d*)|') .. '|p') end
end
${'' /* In front each entry is pushed before the last: from the end, so that the first one stays first. */}
local function makeReady(q, entries, now, front)
  local ready, prioritized = {}, {}
  for i = 1, #entries do
    local at = front and #entries + 1 - i or i
    local e = entries[at]
    local _, _, _, pri = parseEntry(e)
    if pri ~= 0 then prioritized[#prioritized + 1] = int(pri); prioritized[#prioritized + 1] = ranked(e, front and 0 or now, at) else ready[#ready + 1] = e end
  end
  if #ready > 0 then redis.call(front and 'LPUSH' or 'RPUSH', queueKey(q, 'r'), unpack(ready)) end
  if #prioritized > 0 then redis.call('ZADD', queueKey(q, 'p'), unpack(prioritized)) end
end
local function score(ms, epoch, flags) return int((ms * 256 + epoch % 256) * 4 + flags) end
local function leaseEnds(s) return math.floor(tonumber(s) / 1024) end
local function leaseEpoch(s) return math.floor(tonumber(s) / 4) % 256 end
local function isFinished(state) return state == 's' or state == 'f' or state == 'c' or state == 'x' end
local function task(meta) return string.match(meta, '^([^|]*)|') end
${'' /* Of its request. Within a text of JSON no quote stands before a colon without a backslash. */}
local function requestOf(meta) return string.match(meta, '"fingerprint":"([^"]*)"') end
local function fingerprint(body) return string.sub(redis.sha1hex(body), 1, 16) end
local hints = {}
local function hint(name) hints[#hints + 1] = name end
${'' /* One, and the newest: a second name would cost an exchange that finds nothing. A lane that ends takes itself out, so only one that crashed swallows a hint, for at most a lease. */}
local function nameWaiting(q)
  local name = redis.call('RPOP', queueKey(q, 'w'))
  if name then hint(name) end
end
${TELL}
${CALLBACKS}${FREE_TURNS}
${'' /* The last thing that a script does. */}
local function flushHints()
  for _, q in ipairs(freeTurns()) do nameWaiting(q) end
  flushTold()
  if #hints > 0 then redis.call('PUBLISH', prefix .. 'wake', table.concat(hints, ' ')) end
end
local windows = {}
${'' /* A record that is kept for less than a stub's time leaves its stub: a late copy of its enqueue is to find it. */}
local STUB_MS = ${STUB_MS}
local function isGone(r, now) return isFinished(r.state) and r.at <= now and r.fin + STUB_MS <= now end
local ALONE = 16384
local function expire(id, at, fin, size)
  local w = math.floor(math.max(at, fin + STUB_MS) / 10000)
  local ids = windows[w]
  if not ids then ids = {}; windows[w] = ids end
  ids[#ids + 1] = size < ALONE and id or id .. '\\t'
end
${'' /* What follows from a job having finished, at the epoch of its record; what was removed or cancelled tells nobody. */}
local function finish(id, r, size)
  expire(id, r.at, r.fin, size or sizeOf(r))
  local name = r.state == 's' and 'onSuccess' or r.state == 'f' and 'onFailure'
  if name then callBack(id, name, urlOf(r.meta, name), r.epoch, r.queue, r.fin) end
  hintWaiters(r.waiters); r.waiters = ''
end
local function flushWindows()
  for w, ids in pairs(windows) do
    for i = 1, #ids, 1000 do
      local n = math.min(1000, #ids + 1 - i)
      if redis.call('RPUSH', prefix .. 'x:' .. int(w), unpack(ids, i, i + n - 1)) == n then redis.call('ZADD', prefix .. 'windows', w, int(w)) end
    end
  end
end
`

/**
 * A script: what all share, and its own part.
 *
 * KEYS: what routes it in a cluster, and has the format checked: see `CHECK_FORMAT`. ARGV: prefix, with how many events are kept behind it where any are, then the script's own.
 * Returns { what its own part returns, how many commands it has run, and only for a format that is not ours what is noted of it }.
 */
export function script(own: string): string {
  return `${PRELUDE}local function run()${own}end
return { run(), calls }
`
}
