import { startFaultProxy } from './fault-proxy.ts'
import { changeScripts, type ScriptChange } from './script-changes.ts'

/** Bytes of the largest so far. */
export interface Largest {
  readonly request: number
  readonly reply: number
  /** Of a command inside a script, its arguments or its reply. */
  readonly inner: number
}

export interface SizeMeter {
  readonly url: string
  /** What was largest since the last call, and forgets it. */
  take(): Promise<Largest>
  /** Changes that found nothing to change. */
  missed(): readonly string[]
  stop(): Promise<void>
}

/** Where scripts note the bytes of their largest command. */
const LARGEST = 'test:largest'
const START = 'maxEvents = tonumber(maxEvents)\n'
const WEIGH = `
local redis = (function(server)
  local function weigh(value)
    if type(value) == 'string' then return #value end
    if type(value) ~= 'table' then return 8 end
    local bytes = 0
    for _, one in ipairs(value) do bytes = bytes + weigh(one) end
    return bytes
  end
  local function through(call)
    return function(...)
      local got = call(...)
      local bytes = math.max(weigh({ ... }), weigh(got))
      if bytes > tonumber(server.call('GET', prefix .. '${LARGEST}') or 0) then server.call('SET', prefix .. '${LARGEST}', bytes) end
      return got
    end
  end
  return setmetatable({ call = through(server.call), pcall = through(server.pcall) }, { __index = server })
end)(redis)
`

/** Stands between a broker and its server and weighs what passes, the commands inside scripts included. */
export async function startSizeMeter(
  target: string,
  send: (...command: readonly string[]) => Promise<unknown>,
  prefix: string,
  changes: readonly ScriptChange[] = [],
): Promise<SizeMeter> {
  let request = 0
  let reply = 0
  const scripts = changeScripts([[START, START + WEIGH], ...changes])
  const proxy = await startFaultProxy({
    target,
    random: () => 1,
    maxLateMs: 0,
    shares: {},
    rewrite: scripts.rewrite,
    observe(body, { text }) {
      request = Math.max(request, Buffer.byteLength(body))
      reply = Math.max(reply, Buffer.byteLength(text))
    },
  })
  return {
    url: proxy.url,
    async take() {
      const inner = Number(await send('GETDEL', `{${prefix}}:${LARGEST}`))
      const largest = { request, reply, inner }
      request = reply = 0
      return largest
    },
    missed: scripts.missed,
    stop: () => proxy.stop(),
  }
}
