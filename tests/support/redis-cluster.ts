/** A Redis Cluster of a test's own, and our gateway before it. */
import { createGateway } from '../../adapters/gateway/index.ts'
import { listen } from '../../adapters/runtimes/listen.ts'
import { startRedis, type TestRedis } from './redis-server.ts'

export interface TestCluster {
  /** As in `redis+cluster://127.0.0.1:15001,127.0.0.1:15002`. */
  readonly url: string
  readonly nodes: readonly TestRedis[]
  stop(): Promise<void>
}

export interface ClusterOverHttp {
  readonly url: string
  readonly token: string
  /** How many keys each node holds. */
  sizes(): Promise<readonly number[]>
  stop(): Promise<void>
}

const NODES = 3

/** Three nodes on loopback, with all slots served; null where there is no redis-server. */
export async function startCluster(): Promise<TestCluster | null> {
  const nodes = await startNodes()
  if (!nodes) return null
  await join(nodes)
  return {
    url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    nodes,
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  }
}

/** Three nodes behind the gateway; null where there is no redis-server. */
export async function startClusterOverHttp(): Promise<ClusterOverHttp | null> {
  const cluster = await startCluster()
  if (!cluster) return null
  const token = 'a-token-for-tests'
  const gateway = await createGateway({ redis: cluster.url, tokens: [token] })
  const server = await listen(gateway.fetch, { port: 0, hostname: '127.0.0.1' })
  return {
    url: server.url,
    token,
    sizes: () => Promise.all(cluster.nodes.map(async ({ port }) => Number(await redisCli(port, 'dbsize')))),
    async stop() {
      await gateway.close()
      await server.close()
      await cluster.stop()
    },
  }
}

/** What redis-cli says, as a program reads it. */
export async function redisCli(port: number, ...args: readonly string[]): Promise<string> {
  const child = Bun.spawn(['redis-cli', '-p', String(port), ...args], { stdout: 'pipe', stderr: 'ignore' })
  return (await new Response(child.stdout).text()).trim()
}

async function startNodes(): Promise<readonly TestRedis[] | null> {
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '15000']
  const nodes: TestRedis[] = []
  for (const port of freePorts(NODES)) {
    const node = await startRedis({ port, args })
    if (!node) return null
    nodes.push(node)
  }
  return nodes
}

/** A node talks to the others on the port 10,000 above its own, which is not beyond the last one only below those that systems give away. */
function freePorts(count: number): readonly number[] {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = 15_000 + Math.floor(Math.random() * 7_000)
    if (isFree(port) && isFree(port + 10_000)) ports.add(port)
  }
  return [...ports]
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: '127.0.0.1', port, socket: { data() {} } }).stop(true)
    return true
  } catch {
    return false
  }
}

/** redis-cli gives each node its slots and waits until all of them agree. */
async function join(nodes: readonly TestRedis[]): Promise<void> {
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  const child = Bun.spawn(['redis-cli', '--cluster', 'create', ...addresses, '--cluster-yes'], {
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const said = await new Response(child.stdout).text()
  if ((await child.exited) !== 0) throw new Error(`expected a cluster of ${NODES} nodes, got: ${said}`)
  await Promise.all(nodes.map(untilServing))
}

/** They agree on the slots before each of them has found the cluster to be up. */
async function untilServing({ port }: TestRedis): Promise<void> {
  while (!(await redisCli(port, 'cluster', 'info')).includes('cluster_state:ok'));
}
