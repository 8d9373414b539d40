import type { Reply } from '../protocol/encoding.ts'
import type { Credentials, Node, SentinelAddress } from './address.ts'
import { type Client, NODE_MS, type OpenClientOptions, openServer, type ServerClient, tlsOf } from './client.ts'
import { createHeard, type Heard } from './heard.ts'
import { createReopening, type Reopening } from './reopening.ts'

/**
 * A client of the server that sentinels name as the primary: they are asked again after every loss, which a failover is one of, because
 * a server that becomes a replica closes its connections.
 *
 * Not by the library's client for sentinels: that one sends a command again when its connection is lost, long after its caller was told
 * that Redis is away.
 */
export function createSentinelClient(address: SentinelAddress, options: OpenClientOptions): Client {
  let watch: ((line: unknown) => void) | undefined
  const primary: Reopening<ServerClient> = createReopening(async () => {
    const client = await openPrimary(address, options)
    try {
      await heard.resume(client)
      if (watch) await client.monitor(watch)
    } catch (error) {
      client.destroy()
      throw error
    }
    client.once('error', (error) => primary.lose(client, error))
    return client
  }, options)

  const heard: Heard = createHeard(primary.current)

  return {
    get isReady() {
      return primary.isReady
    },
    connect: primary.connect,
    close: primary.close,
    destroy: primary.destroy,
    async sendCommand(command) {
      return primary.current().sendCommand(command)
    },
    async sendAll(commands, take) {
      const client = primary.current()
      const replies = await client.sendAll(commands, take)
      if (replies.some(isReadOnly)) primary.lose(client, new Error('the primary has become a replica'))
      return replies
    },
    ...heard,
    async monitor(listener) {
      await primary.current().monitor(listener)
      watch = listener
    },
    on: (event: string, listener: (error: unknown) => void) => primary.events.on(event, listener),
  }
}

function isReadOnly(reply: Reply): boolean {
  return reply instanceof Error && reply.message.startsWith('READONLY')
}

/** Asks one sentinel after the other. Throws why the last one did not lead to a primary. */
async function openPrimary(address: SentinelAddress, options: OpenClientOptions): Promise<ServerClient> {
  let failure: unknown
  for (const sentinel of address.sentinels) {
    try {
      return await connectPrimary(await askSentinel(sentinel, address, options), address, options)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

async function askSentinel(
  sentinel: Node,
  { name, tls, sentinelCredentials }: SentinelAddress,
  { clock, ca }: OpenClientOptions,
): Promise<Node> {
  const client = openNode(sentinel, tlsOf(tls, ca), sentinelCredentials)
  const cancel = clock.after(NODE_MS, () => client.destroy())
  try {
    await client.connect()
    const found = await client.sendCommand<readonly Buffer[] | null>(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name])
    if (found === null) throw new Error(`a sentinel that knows no primary ${JSON.stringify(name)}`)
    return { host: String(found[0]), port: Number(found[1]) }
  } finally {
    cancel()
    client.destroy()
  }
}

/** Sentinels may be behind: only the server itself knows whether it still is what they say. */
async function connectPrimary(
  node: Node,
  { tls, credentials, database }: SentinelAddress,
  { clock, ca }: OpenClientOptions,
): Promise<ServerClient> {
  const client = openNode(node, tlsOf(tls, ca), credentials, database)
  const cancel = clock.after(NODE_MS, () => client.destroy())
  try {
    await client.connect()
    const [role] = await client.sendCommand<readonly Buffer[]>(['ROLE'])
    if (String(role) !== 'master') throw new Error('a primary that has become a replica')
    return client
  } catch (error) {
    client.destroy()
    throw error
  } finally {
    cancel()
  }
}

function openNode(
  { host, port }: Node,
  secure: ReturnType<typeof tlsOf>,
  credentials: Credentials,
  database = 0,
): ServerClient {
  const socket = { host, port, reconnectStrategy: false as const, ...secure }
  return openServer({ socket, ...credentials, ...(database > 0 ? { database } : {}) })
}
