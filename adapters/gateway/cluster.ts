import { createCluster, ErrorReply } from '@redis/client'
import type { ClusterAddress } from './address.ts'
import { type Catalog, toCatalog } from './catalog.ts'
import { type Client, COMMAND_OPTIONS, type OpenClientOptions, reconnectMs, tlsOf, toReply } from './client.ts'
import type { Command } from './command.ts'
import type { Reply } from './encoding.ts'
import { keysOf } from './key-specs.ts'
import { createReopening, type Emit } from './reopening.ts'
import { slotOf } from './slot.ts'

type Cluster = ReturnType<typeof openCluster>

/** A cluster that is connected, and what it says of its commands. */
interface Connected {
  readonly cluster: Cluster
  readonly catalog: Catalog
  readonly isReady: boolean
  close(): Promise<unknown>
  destroy(): void
}

const CROSSSLOT = "CROSSSLOT Keys in request don't hash to the same slot"
const REDIRECTED = /^(MOVED|ASK|TRYAGAIN) /
const ATTEMPTS = 5

/**
 * A client of a Redis Cluster. A command whose keys are in one slot goes straight to the node that has it, so that those to one node stay in
 * order; any other one goes by the library, which asks several nodes and puts their answers together, after all before it.
 */
export function createClusterClient(address: ClusterAddress, options: OpenClientOptions): Client {
  const nodes = createReopening((emit) => connect(openCluster(address, options.ca), emit), options)
  return {
    get isReady() {
      return nodes.isReady
    },
    connect: nodes.connect,
    close: nodes.close,
    destroy: nodes.destroy,
    async sendCommand<T = Reply>(command: Command) {
      return (await spread(nodes.current().cluster, undefined, command)) as T
    },
    async sendAll(commands) {
      const connected = nodes.current()
      return commands[0]?.[0] === 'MULTI' ? transact(connected, commands) : sendAll(connected, commands)
    },
    subscribe: async (...args) => nodes.current().cluster.subscribe(...args),
    unsubscribe: async (...args) => nodes.current().cluster.unsubscribe(...args),
    pSubscribe: async (...args) => nodes.current().cluster.pSubscribe(...args),
    pUnsubscribe: async (...args) => nodes.current().cluster.pUnsubscribe(...args),
    monitor: () => Promise.reject(new ErrorReply('ERR MONITOR is not available on a cluster')),
    on: (event: string, listener: (error: unknown) => void) => nodes.events.on(event, listener),
  }
}

function openCluster({ nodes, tls, credentials }: ClusterAddress, ca: string | undefined) {
  const reconnectStrategy = (retries: number) => reconnectMs(retries)
  const secure = tlsOf(tls, ca)
  return createCluster({
    RESP: 2,
    rootNodes: nodes.map(({ host, port }) => ({ socket: { host, port, ...secure } })),
    defaults: { ...credentials, disableOfflineQueue: true, socket: { reconnectStrategy, ...secure } },
    commandOptions: COMMAND_OPTIONS,
  })
}

async function connect(cluster: Cluster, emit: Emit): Promise<Connected> {
  const isReady = () => cluster.isReady && cluster.masters.every(({ client }) => client?.isReady)
  let reason: unknown
  cluster.on('error', (error: unknown) => {
    reason = error
  })
  try {
    await cluster.connect()
    const catalog = toCatalog((await spread(cluster, undefined, ['COMMAND'])) as Reply)
    cluster.on('node-error', (error: unknown) => emit('error', error))
    cluster.on('node-ready', () => {
      if (isReady()) emit('ready')
    })
    return {
      cluster,
      catalog,
      /** Some nodes may be away; the others go on. */
      get isReady() {
        return cluster.isReady && cluster.masters.some(({ client }) => client?.isReady)
      },
      close: () => cluster.close(),
      destroy: () => cluster.destroy(),
    }
  } catch (error) {
    cluster.destroy()
    throw reason ?? error
  }
}

/** By the library, to whichever nodes the command is for. */
function spread(cluster: Cluster, key: string | Buffer | undefined, command: Command): Promise<unknown> {
  return cluster.sendCommand(key, false, command)
}

async function sendAll({ cluster, catalog }: Connected, commands: readonly Command[]): Promise<Reply[]> {
  const replies: Promise<Reply>[] = []
  for (const command of commands) {
    const keys = keysIn(catalog, command)
    const slot = slotOfAll(keys)
    if (slot !== undefined) {
      replies.push(sendDirect(cluster, slot, keys[0], command))
      continue
    }
    await Promise.all(replies)
    replies.push(spread(cluster, keys[0], command).catch(toReply) as Promise<Reply>)
    await replies.at(-1)
  }
  return Promise.all(replies)
}

async function sendDirect(
  cluster: Cluster,
  slot: number,
  key: string | Buffer | undefined,
  command: Command,
): Promise<Reply> {
  const reply = await nodeOf(cluster, slot).sendCommand(command, COMMAND_OPTIONS).catch(toReply)
  // The slot moves: the library learns where to, and follows.
  if (isRedirected(reply as Reply)) return spread(cluster, key, command).catch(toReply) as Promise<Reply>
  return reply as Reply
}

/** All on one node, in one go. Redis takes none of them where a key is elsewhere by now; then all are sent again. */
async function transact({ cluster, catalog }: Connected, commands: readonly Command[]): Promise<Reply[]> {
  const keys = commands.flatMap((command) => keysIn(catalog, command))
  const slot = keys.length === 0 ? 0 : slotOfAll(keys)
  if (slot === undefined) return [...commands.slice(1).map(() => 'QUEUED'), new ErrorReply(CROSSSLOT)]
  for (let attempt = 1; ; attempt++) {
    const node = nodeOf(cluster, slot)
    const replies = (await Promise.all(
      commands.map((command) => node.sendCommand(command, COMMAND_OPTIONS).catch(toReply)),
    )) as Reply[]
    if (attempt === ATTEMPTS || !replies.slice(0, -1).some(isRedirected)) return replies
    if (keys[0] !== undefined) await spread(cluster, keys[0], ['TYPE', keys[0]]).catch(toReply)
  }
}

function nodeOf(cluster: Cluster, slot: number) {
  const client = cluster.slots[slot]?.master.client
  if (!client) throw new Error(`no node for slot ${slot}`)
  return client
}

function keysIn(catalog: Catalog, command: Command): Command {
  return keysOf(catalog(command)?.keys ?? [], command) ?? []
}

/** `undefined` for no keys, and for those of several slots. */
function slotOfAll([first, ...others]: Command): number | undefined {
  if (first === undefined) return undefined
  const slot = slotOf(first)
  return others.every((key) => slotOf(key) === slot) ? slot : undefined
}

function isRedirected(reply: Reply): boolean {
  return reply instanceof ErrorReply && REDIRECTED.test(reply.message)
}
