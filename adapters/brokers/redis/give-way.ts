import { DROPPED_ERROR } from '../../../src/bounds.ts'
import { MAX_BATCH_BYTES } from '../../../src/broker.ts'

/** Inside `STORE`, once a place is beyond its bound: `giveWay(group, n)`. It reads the upvalues `now` and `given`. */
export const GIVE_WAY = `
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
local function giveWay(g, n)
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
`
