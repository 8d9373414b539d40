import { MAX_BATCH_BYTES, MAX_LOST_LEASES } from '../../../src/broker.ts'

const LOST_ERROR = JSON.stringify({
  name: 'LeaseLost',
  message: `expected a worker to finish the job, got ${MAX_LOST_LEASES} workers that went away in the middle of it: it may be what ends them`,
})
const FAILED_KEEP_MS = 7 * 86_400_000

/**
 * Inside an exchange that meets a lease that has ended without a word: `takeOver(queue)`. A job that was only claimed ahead goes back uncounted.
 * Any other is taken over at once the first time; then it is parked, longer and longer; at last it fails.
 */
export const TAKE_OVER = `
local function isAhead(s) return math.floor(tonumber(s) / 2) % 2 == 1 end
local function takeOver(q)
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
`
