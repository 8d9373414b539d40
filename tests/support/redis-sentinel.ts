/** Sentinels of a test's own, and the servers that they watch over. */
import { createFolder } from './folder.ts'
import { redisCli } from './redis-cluster.ts'
import { endWithThisProcess, freePort, redisServer, startRedis, type TestRedis } from './redis-server.ts'

export interface TestSentinels {
  /** As in `redis+sentinel://127.0.0.1:34567/main`. */
  readonly url: string
  readonly primary: TestRedis
  readonly replica: TestRedis
  /** Resolves once the sentinel names the other server. */
  failOver(): Promise<void>
  stop(): Promise<void>
}

const NAME = 'main'
/** So many take a second or more. */
const LOOKS = 500

/** A primary, its replica, and one sentinel, which decides by itself; null where there is no redis-server. */
export async function startSentinels(): Promise<TestSentinels | null> {
  const primary = await startRedis()
  if (!primary) return null
  const replica = (await startRedis({ args: ['--replicaof', `127.0.0.1 ${primary.port}`] })) as TestRedis
  const sentinel = await startSentinel(primary)
  const ask = (...args: readonly string[]) => redisCli(sentinel.port, 'sentinel', ...args)
  // Else it looks at its servers every ten seconds.
  await ask('debug', 'info-period', '100', 'ping-period', '100', 'publish-period', '100')
  // Found only then, and no failover is possible before.
  while (!(await ask('replicas', NAME)).includes(`\n${replica.port}\n`));
  while (!(await redisCli(replica.port, 'info', 'replication')).includes('master_link_status:up'));
  const url = `redis+sentinel://127.0.0.1:${sentinel.port}/${NAME}`
  return {
    url,
    primary,
    replica,
    async failOver() {
      const isNamed = async () => (await ask('get-master-addr-by-name', NAME)).includes(String(replica.port))
      for (let looks = 0; !(await isNamed()); looks++)
        // On a busy machine a sentinel gives up on one; while one is under way it refuses another.
        if (looks % LOOKS === 0) while (!/^OK|INPROG/.test(await ask('failover', NAME)));
    },
    async stop() {
      await Promise.all([sentinel, replica, primary].map((server) => server.stop()))
    },
  }
}

interface Sentinel {
  readonly port: number
  stop(): Promise<void>
}

async function startSentinel(primary: TestRedis): Promise<Sentinel> {
  const folder = createFolder()
  const port = freePort()
  const config = folder.file('sentinel.conf')
  const settings = [`port ${port}`, 'bind 127.0.0.1', `sentinel monitor ${NAME} 127.0.0.1 ${primary.port} 1`]
  await Bun.write(config, `${settings.join('\n')}\n`)
  const child = Bun.spawn([String(redisServer), config, '--sentinel'], { stdout: 'ignore', stderr: 'ignore' })
  const guard = endWithThisProcess(child.pid, folder.path)
  while ((await redisCli(port, 'ping')) !== 'PONG');
  return {
    port,
    async stop() {
      guard.kill()
      child.kill('SIGKILL')
      await child.exited
      folder.remove()
    },
  }
}
