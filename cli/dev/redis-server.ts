/** A redis-server that is this process's own, at a Unix socket: no port, so nobody but this user gets in. */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { createConnection } from 'node:net'
import { delimiter, join } from 'node:path'
import { BrokerUnavailable } from '../../src/errors.ts'
import { UsageError } from '../errors.ts'

export interface RedisServer {
  /** As in `unix:///app/.tq/redis/redis.sock`. */
  readonly url: string
  /** Rejects when it ends although nobody has stopped it. */
  readonly failed: Promise<never>
  /** Resolves once it has written everything and ended. */
  stop(): Promise<void>
}

/** Where `tq dev` keeps its data, in the current folder. */
export const REDIS_FOLDER = '.tq/redis'
const NAMES = ['redis-server', 'valkey-server']
/** What systems take for a socket's path: 104 bytes on macOS, 108 on Linux, with the zero that ends it. */
const MAX_SOCKET_BYTES = 103
const MAX_LOG_CHARACTERS = 4_000

/**
 * Starts a redis-server or valkey-server from the PATH that keeps its data, as an append-only file, in an existing folder.
 *
 * Throws `UsageError` where there is none, where one that answers has that folder already, and for one that does not start.
 */
export async function startRedisServer(folder: string): Promise<RedisServer> {
  const socket = join(folder, 'redis.sock')
  if (Buffer.byteLength(socket) > MAX_SOCKET_BYTES)
    throw new UsageError(
      `expected a path of ${MAX_SOCKET_BYTES} bytes at most for a socket, got ${socket}: start in a folder with a shorter path`,
    )
  const binary = findServer()
  if (await answers(socket))
    throw new UsageError(
      `expected no redis-server at ${socket}, got one that answers: another tq dev --redis runs in this folder; end that one first`,
    )
  // Of a group of its own, so that Ctrl-C reaches this process alone: jobs that finish after it still need their Redis.
  const server = spawn(binary, toArgs(folder, socket), { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise<string>((resolve) => {
    server.once('error', (error) => resolve(error.message))
    server.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  endWithThisProcess(server)
  const log = await untilReady(server)
  if (!log.ready) throw new UsageError(`expected ${binary} to start in ${folder}, got ${log.last ?? (await ended)}`)
  return running(server, ended, toUrl(socket))
}

function running(server: ChildProcess, ended: Promise<string>, url: string): RedisServer {
  let stopping = false
  const failed = ended.then((reason) => {
    if (stopping) return new Promise<never>(() => {})
    throw new BrokerUnavailable('redis', `the end of its redis-server (${reason})`)
  })
  // Whoever waits for it hears of it; with nobody there yet it must not end the process.
  failed.catch(() => {})
  return {
    url,
    failed,
    async stop() {
      stopping = true
      server.kill('SIGTERM')
      await ended
    },
  }
}

function findServer(): string {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
  if (found) return found
  throw new UsageError(
    'expected redis-server or valkey-server on the PATH for --redis, got neither: brew install redis, apt install redis-server, ' +
      'or another way of https://redis.io/downloads or https://valkey.io/download; or leave out --redis',
  )
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function toArgs(folder: string, socket: string): string[] {
  const at = ['--port', '0', '--unixsocket', socket, '--unixsocketperm', '700', '--dir', folder]
  return [...at, '--appendonly', 'yes', '--save', '', '--daemonize', 'no']
}

function toUrl(socket: string): string {
  return `unix://${socket.split('/').map(encodeURIComponent).join('/')}`
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection(socket, () => {
      connection.destroy()
      resolve(true)
    })
    connection.on('error', () => resolve(false))
  })
}

/** However this process ends, a kill included, its end of the pipe closes with it, and the shell at the other end ends the server. */
function endWithThisProcess(server: ChildProcess): void {
  if (server.pid === undefined) return
  const script = 'read -r _; kill "$0"'
  const guard = spawn('/bin/sh', ['-c', script, String(server.pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  guard.once('error', () => server.kill('SIGTERM'))
  // Before the pipe closes: by then the pid may be another process's.
  server.once('exit', () => guard.kill('SIGKILL'))
}

interface Log {
  readonly ready: boolean
  readonly last: string | undefined
}

/** Reads what the server says until it takes connections, which for much data takes a while; the rest is read and dropped. */
function untilReady({ stdout }: ChildProcess): Promise<Log> {
  return new Promise((resolve) => {
    let text = ''
    stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-MAX_LOG_CHARACTERS)
      if (/ready to accept connections/i.test(text)) resolve({ ready: true, last: undefined })
    })
    stdout?.once('close', () => resolve({ ready: false, last: text.trim().split('\n').at(-1) || undefined }))
  })
}
