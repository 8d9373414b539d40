/** A Redis Cluster of a test's own behind just as much of the Upstash REST protocol as the broker speaks. */
import { createCluster, ErrorReply } from '@redis/client'
import { listen } from '../../adapters/runtimes/listen.ts'
import { startRedis, type TestRedis } from './redis-server.ts'

export interface ClusterOverHttp {
  readonly url: string
  readonly token: string
  /** How many keys each node holds. */
  sizes(): Promise<readonly number[]>
  stop(): Promise<void>
}

const NODES = 3

/** Three nodes on loopback, with all slots served; null where there is no redis-server. */
export async function startClusterOverHttp(): Promise<ClusterOverHttp | null> {
  const nodes = await startNodes()
  if (!nodes) return null
  await join(nodes)
  const cluster = await connect(nodes)
  const server = await listen((request) => answer(request, cluster), { port: 0, hostname: '127.0.0.1' })
  return {
    url: server.url,
    token: 'cluster',
    sizes: () =>
      Promise.all(
        cluster.masters.map(async (master) => Number(await (await cluster.nodeClient(master)).sendCommand(['DBSIZE']))),
      ),
    async stop() {
      cluster.destroy()
      await server.close()
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
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
  for (let info = ''; !info.includes('cluster_state:ok'); ) {
    const child = Bun.spawn(['redis-cli', '-p', String(port), 'cluster', 'info'], { stdout: 'pipe', stderr: 'ignore' })
    info = await new Response(child.stdout).text()
  }
}

/** Of Redis's two protocols the one whose replies look as Upstash's do. */
const connect = (nodes: readonly TestRedis[]) =>
  createCluster({ rootNodes: nodes.map(({ url }) => ({ url })), RESP: 2 }).connect()
type Cluster = Awaited<ReturnType<typeof connect>>

async function answer(request: Request, cluster: Cluster): Promise<Response> {
  const [, word, channel = ''] = new URL(request.url).pathname.split('/')
  if (word === 'subscribe') return subscribe(decodeURIComponent(channel), cluster)
  const command = ((await request.json()) as readonly unknown[]).map(String)
  try {
    return Response.json({ result: await cluster.sendCommand(routeOf(command), false, command) })
  } catch (error) {
    if (error instanceof ErrorReply) return Response.json({ error: error.message }, { status: 400 })
    throw error
  }
}

/** The key that says which node: of a script its first one, else what follows the command. */
function routeOf([name = '', ...args]: readonly string[]): string | undefined {
  return name.toUpperCase().startsWith('EVAL') ? args[2] : args[0]
}

async function subscribe(channel: string, cluster: Cluster): Promise<Response> {
  let end: () => Promise<unknown> = async () => {}
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const encoder = new TextEncoder()
      const say = (text: string) => controller.enqueue(encoder.encode(`data: ${text}\n\n`))
      const listener = (message: string | Buffer) => say(`message,${channel},${message}`)
      end = () => cluster.unsubscribe(channel, listener)
      await cluster.subscribe(channel, listener)
      say(`subscribe,${channel},1`)
    },
    cancel: async () => void (await end()),
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}
