import { join } from 'node:path'
import { runOrThrow, type Started, start } from '../command.ts'
import { CLI } from '../packed.ts'
import { expectEqual, outcomeOf, type Runtime } from '../runtime.ts'
import { GREET, TOKEN, takesJobs } from './edge.ts'
import { initProject, typesHold } from './init.ts'

interface Platform {
  readonly name: string
  /** Where what the cron calls is. */
  readonly cronPath: string
  /** Variables beside those of every platform. */
  readonly secrets: Readonly<Record<string, string>>
}

const SECRET = 'a-secret-for-tests'
const PLATFORMS: readonly Platform[] = [
  { name: 'vercel', cronPath: '/api/cron', secrets: { CRON_SECRET: SECRET } },
  { name: 'netlify', cronPath: '/.netlify/functions/tq-cron', secrets: {} },
]

/** What `tq init` writes for platforms of functions, called as they say that they do: nobody has an account of theirs here. */
export const functions: readonly Runtime[] = PLATFORMS.map(({ name, cronPath, secrets }) => ({
  name: `${name} functions`,
  async check({ packed, redisUrl }) {
    const cli = [process.execPath, CLI]
    await using gateway = await start([...cli, 'gateway', '--redis', redisUrl, '--port', '0', '--json'], {
      cwd: packed.path,
      env: { TQ_GATEWAY_TOKENS: TOKEN },
    })
    const { url } = JSON.parse(gateway.line) as { url: string }
    const redis = { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: TOKEN, TQ_PREFIX: name }
    const variables = { ...redis, TQ_TOKENS: TOKEN, ...secrets }
    let path = ''
    // By its .env, which Bun reads.
    const serve = (): Promise<Started> =>
      start([process.execPath, join(import.meta.dir, '../functions.ts'), name], { cwd: path })
    return [
      await outcomeOf('init: a project is written, and installs', async () => {
        path = await initProject({ packed, cli, runtime: name, broker: 'redis', variables, name: `init-${name}` })
      }),
      await outcomeOf('init: its types hold', () => typesHold(path)),
      await outcomeOf('init: a job that is taken runs right after the answer', async () => {
        await using server = await serve()
        await takesJobs(server.line, undefined, GREET)
        expectEqual((await fetch(`${server.line}/healthz`)).status, 200)
      }),
      await outcomeOf('init: its cron runs what is there', async () => {
        await using server = await serve()
        await runOrThrow([...cli, 'enqueue', 'greet', '{"name":"Ada"}'], { cwd: packed.path, env: redis })
        const headers = { authorization: `Bearer ${SECRET}` }
        const answer = await fetch(`${server.line}${cronPath}`, { headers })
        const { drained } = (await answer.json()) as { drained: { ran: number } }
        expectEqual([answer.status, drained.ran], [200, 1])
      }),
    ]
  },
}))
