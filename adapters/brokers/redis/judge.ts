import { MAX_BATCH_BYTES } from '../../../src/broker.ts'

/**
 * Inside `STORE`, once jobs have to be looked at one by one: `readBounded(keys)` reads what is there already, `outcomeOf(job, old)` says what
 * becomes of a job beside it, and `storeFresh` stores the others.
 */
export const JUDGE = `
${'' /* Records of sizes that nobody knows, together no more than a claim brings. */}
local function readBounded(keys)
  if #keys == 1 then return redis.call('MGET', keys[1]) end
  local got, some, bytes = {}, {}, 0
  local function flush()
    for _, text in ipairs(#some > 0 and redis.call('MGET', unpack(some)) or {}) do got[#got + 1] = text end
    some, bytes = {}, 0
  end
  for _, key in ipairs(keys) do
    local size = redis.call('STRLEN', key)
    if bytes + size > ${MAX_BATCH_BYTES} then flush() end
    some[#some + 1] = key
    bytes = bytes + size
  end
  flush()
  return got
end
${'' /* Of a job of which one with its id is there already. */}
local function outcomeOf(at, old)
  local request = requestOf(alikes[at].meta)
  if request then return requestOf(old.meta) == request and 'E' or 'X' end
  if old.state == 'x' then return 'E' end
  local same
  if old.state == 's' then same = string.match(old.body, '^(%x*)\\t') == fingerprint(bodies[at]) else same = old.body == bodies[at] end
  return same and task(old.meta) == task(alikes[at].meta) and 'E' or 'X'
end
${'' /* Jobs of one request are stored together or not at all: of what the outcomes of its jobs say, the highest counts. One named twice says what its first one does. */}
local SAYS = { C = 0, F = 1, E = 2, X = 3 }
local function keepTogether(list, out, firsts)
  local highest = {}
  for n, at in ipairs(list) do
    local request, first = requestOf(alikes[at].meta), firsts[ids[at]]
    local says = out[n] == 'E' and first and out[first] or out[n]
    if request and SAYS[says] > SAYS[highest[request] or 'C'] then highest[request] = says end
  end
  if not next(highest) then return end
  for n, at in ipairs(list) do out[n] = highest[requestOf(alikes[at].meta) or ''] or out[n] end
end
${'' /* Stores those that are new, but for places that are full; with `whole` all or none. */}
local function storeFresh(list, out, firsts, whole)
  local full, fresh, stored, found = {}
  repeat
    fresh = {}
    for n, at in ipairs(list) do
      if out[n] == 'C' and full[alikes[at].key] then out[n] = 'F' end
    end
    keepTogether(list, out, firsts)
    for n, at in ipairs(list) do
      if out[n] == 'C' then fresh[#fresh + 1] = at end
    end
    stored, found = store(fresh)
    for key in pairs(found) do full[key] = true end
  until stored or whole or not next(found)
  ${'' /* Something stands in a record's place that is none; or all of them are wanted, or none. */}
  if not stored then for n, letter in ipairs(out) do if letter == 'C' then out[n] = 'F' end end end
end
`
