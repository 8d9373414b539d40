import { ClientOfflineError, createCluster, ErrorReply } from '@redis/client'
import type { Clock } from '../../../src/clock.ts'
import type { Command } from '../protocol/command.ts'
import type { Reply } from '../protocol/encoding.ts'
import type { ClusterAddress, Node } from './address.ts'
import { type Catalog, toCatalog } from './catalog.ts'
import {
  type Client,
  COMMAND_OPTIONS,
  isAway,
  NODE_MS,
  type OpenClientOptions,
  reasonOf,
  reconnectMs,
  tlsOf,
  toReply,
} from './client.ts'
import { createHeard, type Heard } from './heard.ts'
import { keysOf } from './key-specs.ts'
import type { Take } from './link.ts'
import { createReopening, type Emit, type Reopening } from './reopening.ts'
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
const REDIRECTED = /^(MOVED|ASK|TRYAGAIN)\b/
const ATTEMPTS = 5
/** As of a node that does not have the slot. */
const UNKNOWN = new ErrorReply('MOVED')

/**
 * A client of a Redis Cluster. A command whose keys are in one slot goes straight to the node that has it, so that those to one node stay in
 * order; any other one goes by the library, which asks several nodes and puts their answers together, after all before it.
 */
export function createClusterClient(address: ClusterAddress, options: OpenClientOptions): Client {
  const nodes: Reopening<Connected> = createReopening(
    (emit) => connect(openCluster(address, options.ca), { emit, heard, clock: options.clock }),
    options,
  )
  const heard: Heard = createHeard(() => nodes.current().cluster)
  return {
    get isReady() {
      return nodes.isReady
    },
    connect: nodes.connect,
    close: nodes.close,
    destroy: nodes.destroy,
    sendCommand: async <T = Reply>(command: Command) => askOne<T>(nodes.current().cluster, command),
    async sendAll(commands, take) {
      const connected = nodes.current()
      return commands[0]?.[0] === 'MULTI' ? transact(connected, commands, take) : sendEach(connected, commands, take)
    },
    ...heard,
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
    // Else one node that is away would keep all others from being used.
    minimizeConnections: true,
  })
}

interface ConnectOptions {
  readonly emit: Emit
  readonly heard: Heard
  readonly clock: Clock
}

async function connect(cluster: Cluster, { emit, heard, clock }: ConnectOptions): Promise<Connected> {
  let reason: unknown
  cluster.on('error', (error: unknown) => {
    reason = error
  })
  try {
    await cluster.connect()
    await openNodes(cluster, clock)
    const catalog = toCatalog(await askOne<Reply>(cluster, ['COMMAND']))
    await heard.resume(cluster)
    tell(cluster, emit)
    return {
      cluster,
      catalog,
      /** Some nodes may be away; the others go on. */
      get isReady() {
        return cluster.isReady && cluster.masters.some(isUp)
      },
      close: () => cluster.close(),
      destroy: () => cluster.destroy(),
    }
  } catch (error) {
    cluster.destroy()
    throw reason ?? error
  }
}

/** Waits for those that answer soon; the library goes on with any other one. */
async function openNodes(cluster: Cluster, clock: Clock): Promise<void> {
  const opened = Promise.allSettled(cluster.masters.map((node) => cluster.nodeClient(node)))
  let cancel = () => {}
  const patience = new Promise<void>((resolve) => {
    cancel = clock.after(NODE_MS, resolve)
  })
  await Promise.race([opened, patience])
  cancel()
}

/** One node that is away is not Redis away. One that says an error and is there has sent what the library cannot read. */
function tell(cluster: Cluster, emit: Emit): void {
  cluster.on('node-error', (error: unknown, { host, port }: Node) => {
    const node = cluster.nodeByAddress.get(`${host}:${port}`)
    if (node?.client?.isReady || !cluster.masters.some(isUp)) emit('error', error)
  })
  cluster.on('node-ready', () => emit('ready'))
}

function isUp({ client }: Cluster['masters'][number]): boolean {
  return client?.isReady ?? false
}

/** Whichever node is there. */
async function askOne<T>(cluster: Cluster, command: Command): Promise<T> {
  const client = cluster.masters.find(isUp)?.client
  if (!client) throw new ClientOfflineError()
  return client.sendCommand<T>(command, COMMAND_OPTIONS)
}

/** By the library, to whichever nodes the command is for. It would wait for one that has not been there yet, and send when nobody waits any more. */
async function spread(cluster: Cluster, key: string | Buffer | undefined, command: Command): Promise<unknown> {
  if (cluster.masters.some(({ connectPromise }) => connectPromise)) throw new ClientOfflineError()
  return cluster.sendCommand(key, false, command).catch(partly)
}

/** A node was away, but others may have done their part: not what an offline client says, which is that nothing was sent. */
function partly(error: unknown): never {
  if (error instanceof ErrorReply && !isAway(error)) throw error
  throw new Error(reasonOf(error), { cause: error })
}

async function sendEach(connected: Connected, commands: readonly Command[], take?: Take): Promise<Reply[]> {
  const sent = sendInOrder(connected, commands, take)
  return commands.length > 1 ? sent.catch(partly) : sent
}

async function sendInOrder(
  { cluster, catalog }: Connected,
  commands: readonly Command[],
  take?: Take,
): Promise<Reply[]> {
  const replies: Promise<Reply>[] = []
  for (const command of commands) {
    const keys = keysIn(catalog, command)
    const slot = slotOfAll(keys)
    if (slot !== undefined) {
      replies.push(sendDirect(cluster, slot, keys[0], command).then(take))
      continue
    }
    await Promise.all(replies)
    replies.push((spread(cluster, keys[0], command) as Promise<Reply>).then(take, toReply))
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
  const node = nodeOf(cluster, slot)
  const reply = node ? await node.sendCommand(command, COMMAND_OPTIONS).catch(toReply) : UNKNOWN
  // The slot moves, or its node is new: the library learns where to, and follows.
  if (isRedirected(reply as Reply)) return spread(cluster, key, command).catch(toReply) as Promise<Reply>
  return reply as Reply
}

/** All on one node, in one go. Redis takes none of them where a key is elsewhere by now; then all are sent again. */
async function transact({ cluster, catalog }: Connected, commands: readonly Command[], take?: Take): Promise<Reply[]> {
  const keys = commands.flatMap((command) => keysIn(catalog, command))
  const slot = keys.length === 0 ? 0 : slotOfAll(keys)
  if (slot === undefined) return [...commands.slice(1).map(() => 'QUEUED'), new ErrorReply(CROSSSLOT)]
  for (let attempt = 1; ; attempt++) {
    const node = nodeOf(cluster, slot) ?? (await openNode(cluster, slot))
    const replies = (await Promise.all(
      commands.map((command) => node.sendCommand<Reply>(command, COMMAND_OPTIONS).then(take, toReply)),
    )) as Reply[]
    if (attempt === ATTEMPTS || !replies.slice(0, -1).some(isRedirected)) return replies
    if (keys[0] !== undefined) await spread(cluster, keys[0], ['TYPE', keys[0]]).catch(toReply)
  }
}

/** `undefined` for one that the library has not used so far. It may be away; then it says so at once. */
function nodeOf(cluster: Cluster, slot: number) {
  const shard = cluster.slots[slot]
  if (!shard) throw new Error(`no node has slot ${slot}`)
  return shard.master.client
}

async function openNode(cluster: Cluster, slot: number) {
  return cluster.nodeClient((cluster.slots[slot] as Cluster['slots'][number]).master)
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
