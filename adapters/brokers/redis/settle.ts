import { HEAD_AND_REST } from './lua.ts'

/**
 * Inside an exchange that brings refs: settles and extends what they name. Fence: the lease has to be there, at the ref's epoch. One ZMSCORE for
 * all refs of a queue. It reads the upvalues `refs` and `got`, puts records into `mset`, and fills `late`, `cancelled` and `givenBack`.
 */
export const SETTLE = `
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

local seenInStep = {}
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
        if kind == 'retry' or kind == 'failed' then r.attempts = r.attempts + 1; r.err = text end
        if tonumber(s) % 2 == 1 and (kind == 'retry' or kind == 'released') then kind = 'cancelled'; ms = 3600000 end
        if kind == 'retry' then
          r.state = 'y'; r.at = now + ms
          timed[#timed + 1] = int(r.at); timed[#timed + 1] = entry(id, epoch, sizeOf(r), r.pri)
        elseif kind == 'released' then
          if ms > 0 then r.state = 't'; r.at = now + ms; timed[#timed + 1] = int(r.at); timed[#timed + 1] = entry(id, epoch, sizeOf(r), r.pri)
          else r.state = 'q'; r.at = 0; back[#back + 1] = entry(id, epoch, sizeOf(r), r.pri) end
        else
          r.at = now + ms; r.fin = now
          if kind == 'failed' then r.state = 'f'; failed[#failed + 1] = int(now); failed[#failed + 1] = id
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
`
