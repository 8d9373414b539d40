import { CALLBACK_TASK, type TaskCallbacks } from '../../../src/callbacks.ts'

/**
 * Who is told how jobs have ended: in each script, since any may finish one. `callBack` notes a job that has finished and has a callback, which
 * its record says or its task.
 */
export const CALLBACKS = `
local byTask, called = nil, {}
${'' /* Read as `requestOf` does. */}
local function urlOf(meta, name)
  local own = string.match(meta, '"' .. name .. '":"([^"]*)"')
  local tasks = not own and byTask and byTask[task(meta)]
  return own or tasks and tasks[name] or ''
end
local function callBack(id, name, url, epoch, q, at)
  if url ~= '' then called[#called + 1] = { id = id .. ':' .. name .. ':' .. int(epoch), url = url, queue = q, at = at } end
end
`

/**
 * Inside `FREE_TURNS`, where there are any: `makeCallbacks()` stores the jobs that tell, and answers in which queues they are ready.
 * Commands: RPUSH for each queue, MSETNX; SET for each where one of them is there already.
 */
export const MAKE_CALLBACKS = `
local function storeCallbacks(some)
  local queues, ready, records = {}, {}, {}
  for i, c in ipairs(some) do
    c.meta = '${CALLBACK_TASK}|' .. int(c.at) .. '||'
    if not ready[c.queue] then ready[c.queue] = {}; queues[#queues + 1] = c.queue end
    table.insert(ready[c.queue], c.id)
    records[2 * i - 1] = jobKey(c.id)
    records[2 * i] = format({ state = 'q', epoch = 0, attempts = 0, lost = 0, at = 0, fin = 0, pri = 0, queue = c.queue,
      meta = c.meta, waiters = '', err = '', progress = '', body = '"' .. c.url .. '"' })
  end
  for _, q in ipairs(queues) do redis.call('RPUSH', queueKey(q, 'r'), unpack(ready[q])) end
  local isNew = redis.call('MSETNX', unpack(records)) == 1
  for i, c in ipairs(some) do
    if isNew or redis.call('SET', records[2 * i - 1], records[2 * i], 'NX') then tell('q', c.id, c, 0)
    else redis.call('LREM', queueKey(c.queue, 'r'), -1, c.id) end
  end
  return queues
end
${'' /* A thousand at once: those that are dropped from many queues are more than one command may name. */}
local function makeCallbacks()
  local queues = {}
  for from = 1, #called, 1000 do
    for _, q in ipairs(storeCallbacks({ unpack(called, from, math.min(from + 999, #called)) })) do queues[#queues + 1] = q end
  end
  called = {}
  return queues
end
`

/** As an exchange carries them: three lines for each task. */
export function toCallbackLines(callbacks: TaskCallbacks | undefined): string {
  return Object.entries(callbacks ?? {})
    .flatMap(([task, { onSuccess = '', onFailure = '' }]) => [task, onSuccess, onFailure])
    .join('\n')
}

/** Inside an exchange that brings what `toCallbackLines` has written: fills `byTask`. */
export const READ_CALLBACKS = `
byTask = {}
for task, success, failure in string.gmatch(ARGV[15] .. '\\n', '([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n') do
  byTask[task] = { onSuccess = success, onFailure = failure }
end
`
