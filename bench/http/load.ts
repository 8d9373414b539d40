import { spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TOKEN } from './names.ts'
import { LOAD_CORE, onCore } from './process.ts'

export const CONNECTIONS = 64

/** The request that is made over and over: a POST of JSON. */
export interface LoadOptions {
  readonly path: string
  readonly body: string
}

/** What wrk is told of a request, in Lua. */
const toScript = (body: string) => `wrk.method = 'POST'
wrk.body = [==[${body}]==]
wrk.headers['Content-Type'] = 'application/json'
wrk.headers['Authorization'] = 'Bearer ${TOKEN}'
`

export interface Load {
  /** Requests a second, each answered by 2xx. */
  requestsPerS(url: string, seconds: number): Promise<number>
}

/** Throws where wrk is not installed. */
export function createLoad({ path, body }: LoadOptions): Load {
  if (!Bun.which('wrk')) throw new Error('expected wrk on the PATH, got none: apt-get install wrk')
  const script = join(mkdtempSync(join(tmpdir(), 'tq-bench-')), 'post.lua')
  writeFileSync(script, toScript(body))
  return {
    async requestsPerS(url, seconds) {
      const flags = ['--threads=1', `--connections=${CONNECTIONS}`, `--duration=${seconds}s`, `--script=${script}`]
      const told = await outputOf(onCore(LOAD_CORE, ['wrk', ...flags, `${url}${path}`]))
      const perS = Number(/Requests\/sec:\s+([\d.]+)/.exec(told)?.[1])
      if (!(perS > 0) || told.includes('Non-2xx')) throw new Error(`expected answers of 2xx alone, got\n${told}`)
      return perS
    },
  }
}

async function outputOf([command, ...args]: readonly [string, ...string[]]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  return new Response(child.stdout as unknown as ReadableStream).text()
}
