import { installed } from '../../support/runtimes.ts'
import { type Started, start } from '../command.ts'
import { CLI } from '../packed.ts'
import { expectEqual } from '../runtime.ts'
import { serve } from './workerd.ts'

/** What a member needs to know. */
export interface Post {
  /** Its own, as its handlers tell it. */
  readonly name: string
  readonly project: string
  /** Where the jobs are. */
  readonly redis: Readonly<Record<string, string>>
}

/** A process that runs jobs. */
export interface Member {
  readonly name: string
  /** How many jobs it says to have brought to success; undefined where nobody asks it. Ends it. */
  retire(): Promise<number | undefined>
  /** `kill -9`. */
  kill(): Promise<void>
}

const FOLDER = 'tests/runtimes/project/fleet'
const DENO = installed('.bin/deno')
const DENO_ENV = { DENO_NO_UPDATE_CHECK: '1' }

/** What starts a member of each kind. */
export const MEMBERS: readonly ((post: Post) => Promise<Member>)[] = [
  (post) => startWork({ ...post, name: `node ${post.name}` }, [installed('node22/bin/node')]),
  (post) => startWork({ ...post, name: `bun ${post.name}` }, [process.execPath]),
  (post) => startWork({ ...post, name: `deno ${post.name}` }, [DENO, 'run', '--allow-all'], DENO_ENV),
  (post) => startCron({ ...post, name: `workerd ${post.name}` }),
  (post) => startHttp({ ...post, name: `deno http ${post.name}` }),
]

async function startWork({ name, project, redis }: Post, command: readonly string[], env = {}): Promise<Member> {
  const flags = ['--app', FOLDER, '--concurrency', '10', '--lease-seconds', '5', '--json']
  const worker = await start([...command, CLI, 'work', ...flags], {
    cwd: project,
    env: { ...env, ...redis, MEMBER: name },
  })
  return {
    name,
    kill: () => worker.kill(),
    async retire() {
      expectEqual(await worker.stop(), 0)
      const { totals } = JSON.parse(worker.printed().trimEnd().split('\n').at(-1) ?? '')
      return totals.succeeded - totals.late
    },
  }
}

async function startCron({ name, project, redis }: Post): Promise<Member> {
  const host = await serve(project, 'fleet', `${FOLDER}/cloudflare.ts`, { ...redis, MEMBER: name })
  return againAndAgain(name, host, async () => {
    const triggered = await fetch(`${host.line}/cdn-cgi/handler/scheduled`)
    expectEqual([triggered.status, await triggered.text()], [200, 'ok'])
    return undefined
  })
}

async function startHttp({ name, project, redis }: Post): Promise<Member> {
  const server = await start([DENO, 'run', '--allow-all', `${FOLDER}/deno.ts`], {
    cwd: project,
    env: { ...DENO_ENV, ...redis, MEMBER: name },
  })
  let sum = 0
  return againAndAgain(name, server, async () => {
    const { ran, failed } = (await (await fetch(server.line)).json()) as { ran: number; failed: number }
    sum += ran - failed
    return sum
  })
}

/** A drain with nothing to do would otherwise follow the other. */
const PAUSE_MS = 50

/** Drains that follow each other, until the member ends. */
function againAndAgain(name: string, server: Started, drain: () => Promise<number | undefined>): Member {
  let isOver = false
  let isKilled = false
  let succeeded: number | undefined
  async function goOn(): Promise<void> {
    while (!isOver) {
      succeeded = await drain()
      await Bun.sleep(PAUSE_MS)
    }
  }
  const drains = goOn().catch((error: unknown) => {
    if (!isKilled) throw error
  })
  return {
    name,
    async kill() {
      isOver = isKilled = true
      await server.kill()
      await drains
    },
    async retire() {
      isOver = true
      await drains
      await server[Symbol.asyncDispose]()
      return succeeded
    },
  }
}
