/** How long a worker is said to be there that says nothing more. */
export const WORKER_SEEN_MS = 120_000

/** What makes room again: `pruneWorkers(now)` and `sweepWindow(now, limit)`, which answers how many it has deleted, nil when no window is over. */
export const SWEEP = `
${'' /* Forgets workers that have gone; true when there were any. */}
local function pruneWorkers(now)
  local workers, gone = redis.call('HGETALL', prefix .. 'workers'), {}
  for i = 1, #workers, 2 do
    if tonumber(string.match(workers[i + 1], '^%d+')) + ${WORKER_SEEN_MS} <= now then gone[#gone + 1] = workers[i] end
  end
  if #gone > 0 then redis.call('HDEL', prefix .. 'workers', unpack(gone, 1, math.min(#gone, 5000))) end
  return #gone > 0
end
${'' /* Deletes up to so many records whose time is over, from the oldest window on. */}
local function sweepWindow(now, limit)
  local oldest = redis.call('ZRANGE', prefix .. 'windows', 0, 0)[1]
  if not oldest or tonumber(oldest) * 10000 + 10000 > now then return nil end
  local entries = redis.call('LPOP', prefix .. 'x:' .. oldest, limit) or {}
  if #entries < limit then redis.call('ZREM', prefix .. 'windows', oldest) end
  local ids, keys, dead = {}, {}, {}
  local function judge(id, text)
    local state, at, fin, q = string.match(text, '^(%a)|%d*|%d*|%d*|(%d*)|(%d*)|%-?%d*|([^\\n]*)\\n')
    if not state or not isGone({ state = state, at = tonumber(at) or 0, fin = tonumber(fin) or 0 }, now) then return end
    dead[#dead + 1] = jobKey(id)
    if state == 'f' then redis.call('ZREM', queueKey(q, 'f'), id) end
  end
  for _, e in ipairs(entries) do
    local id, alone = string.match(e, '^([^\\t]*)(\\t?)')
    if alone == '' then ids[#ids + 1] = id; keys[#keys + 1] = jobKey(id)
    else judge(id, redis.call('GETRANGE', jobKey(id), 0, 1023)) end
  end
  local got = #ids > 0 and redis.call('MGET', unpack(keys)) or {}
  for i, id in ipairs(ids) do if got[i] then judge(id, got[i]) end end
  if #dead > 0 then redis.call('DEL', unpack(dead)) end
  return #dead
end
`
