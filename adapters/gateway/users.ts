import { ErrorReply } from '@redis/client'
import { type Backend, type BackendOptions, isRefused, openBackend } from './backend.ts'
import { type AclUser, passwordOf, toAclUser } from './commands/acl.ts'
import type { GatewayEvent } from './events.ts'
import { badRequest, type Refusal, shuttingDown, tooMany, unavailable } from './protocol/refusal.ts'
import { type Credentials, withCredentials } from './redis/address.ts'
import { reasonOf } from './redis/client.ts'
import type { Link } from './redis/link.ts'
import { type UserLogin, unauthorized } from './tokens/auth.ts'

/** Runs requests as users of Redis, each on connections of its own, so that Redis itself says what they may do. */
export interface Users {
  /**
   * What `run` brings, which is told what the user may do, as text. Throws `Refusal`: 401 where Redis does not know the user by
   * such a password, 503 where it is away or too many users are there.
   */
  run<T>(login: UserLogin, run: (backend: Backend, rights: string) => Promise<T>): Promise<T>
  endStreams(): Promise<void>
  /** Lets what is under way finish. */
  close(): Promise<void>
}

export interface UsersOptions extends BackendOptions {
  readonly redis: string
  /** As the gateway's own user, who may ask for others. */
  readonly link: Link
}

/** Each has one to three connections of Redis's. */
const MAX_USERS = 100
const IDLE_MS = 300_000
/** Redis goes on with a connection whose user has got another password, or is off; the gateway looks by itself. */
const LOOK_KEPT_MS = 1_000
/** As for streams of other tokens: nothing is looked at with each message. */
const LOOK_AT_STREAMS_MS = 5_000
const MAX_LOOKS = 1_000

interface Look {
  readonly user: Promise<AclUser | undefined>
  readonly atMs: number
  isUnderWay: boolean
}

interface Known {
  readonly rights: string
  readonly password: string
}

interface Entry {
  readonly login: UserLogin
  /** With which it was opened: streams of other rights are not among its own. */
  readonly rights: string
  readonly opening: Promise<Backend>
  opened?: Backend
  isDropped?: true
  underWay: number
  usedMs: number
}

export function createUsers({ redis, link, ...options }: UsersOptions): Users {
  const { clock } = options
  const looks = new Map<string, Look>()
  /** By user and password. */
  const entries = new Map<string, Entry>()
  let cancelSweep: (() => void) | undefined
  let closed = false

  async function ask(name: string): Promise<AclUser | undefined> {
    const [reply = null] = await link([['ACL', 'GETUSER', name]])
    // Such as NOPERM, or BUSY.
    if (reply instanceof ErrorReply) throw unavailable(`ACL GETUSER says ${reply.message.split(' ')[0]}`)
    return toAclUser(reply)
  }

  /** One look a second serves all who call as this user, and one that is under way those who need it anew. */
  function look(name: string, isAnew = false): Promise<AclUser | undefined> {
    const last = looks.get(name)
    if (last?.isUnderWay) return last.user
    if (last && !isAnew && clock.monotonic() - last.atMs < LOOK_KEPT_MS) return last.user
    const user = ask(name)
    const current: Look = { user, atMs: clock.monotonic(), isUnderWay: true }
    looks.delete(name)
    looks.set(name, current)
    user.then(
      () => {
        current.isUnderWay = false
      },
      () => looks.delete(name),
    )
    const [oldest] = looks.keys()
    if (looks.size > MAX_LOOKS && oldest !== undefined) looks.delete(oldest)
    return user
  }

  /** When Redis is away, the gateway's own connection says so. */
  function tell(event: GatewayEvent): void {
    if (event.type === 'subscriber.dropped') options.onEvent(event)
  }

  const isIdle = ({ underWay, opened }: Entry) => underWay === 0 && (opened?.streams() ?? 0) === 0

  /** Where there are too many, in the place of the one that has been idle for longest. */
  function makeRoom(): void {
    if (entries.size < MAX_USERS) return
    const [longest] = [...entries].filter(([, entry]) => isIdle(entry)).sort(([, a], [, b]) => a.usedMs - b.usedMs)
    if (!longest) throw tooMany('users', MAX_USERS)
    drop(...longest)
  }

  function entryOf(user: string, { password, rights }: Known): Entry {
    const key = toKey(user, password)
    const entry = entries.get(key)
    if (entry?.rights === rights) return entry
    drop(key)
    return add(key, { username: user, password }, rights)
  }

  function add(key: string, credentials: Required<Credentials>, rights: string): Entry {
    if (closed) throw shuttingDown()
    makeRoom()
    function onRefused(): void {
      looks.delete(credentials.username)
      drop(key, entry)
    }
    const opening = openBackend(withCredentials(redis, credentials), { ...options, onEvent: tell, onRefused })
    const login = { user: credentials.username, passwords: [credentials.password] }
    const entry: Entry = { login, rights, opening, underWay: 0, usedMs: clock.monotonic() }
    entries.set(key, entry)
    opening.then(
      (backend) => {
        entry.opened = backend
      },
      () => drop(key, entry),
    )
    cancelSweep ??= clock.after(LOOK_AT_STREAMS_MS, sweep)
    return entry
  }

  /** Its streams end, and the rest of it once nothing of it is under way: between the slices of a pipeline its connection is idle. */
  function drop(key: string, entry: Entry | undefined = entries.get(key)): void {
    if (!entry || entries.get(key) !== entry) return
    entries.delete(key)
    entry.isDropped = true
    const over = entry.underWay === 0 ? end : (backend: Backend) => backend.endStreams()
    void entry.opening.then(over, () => {})
  }

  function sweep(): void {
    cancelSweep = entries.size > 0 ? clock.after(LOOK_AT_STREAMS_MS, sweep) : undefined
    const idleSinceMs = clock.monotonic() - IDLE_MS
    for (const [key, entry] of entries) {
      if (isIdle(entry) && entry.usedMs <= idleSinceMs) drop(key, entry)
      if (entry.opened?.streams()) void lookAtStreams(key, entry)
    }
  }

  /** While Redis does not tell, the user is as it was. */
  async function lookAtStreams(key: string, entry: Entry): Promise<void> {
    const { user, passwords } = entry.login
    const known = await knownBy(user, passwords).catch(() => undefined)
    if (known && known.rights !== entry.rights) drop(key, entry)
  }

  async function knownBy(user: string, passwords: readonly string[], isAnew = false): Promise<Known> {
    const known = await look(user, isAnew)
    const password = passwordOf(known, passwords)
    if (known && password !== undefined) return { rights: known.rights, password }
    // A second ago it may have been another one.
    if (!isAnew) return knownBy(user, passwords, true)
    for (const other of passwords) drop(toKey(user, other))
    throw unauthorized()
  }

  return {
    async run({ user, passwords }, run) {
      const known = await knownBy(user, passwords)
      const entry = entryOf(user, known)
      entry.underWay++
      try {
        const backend = await entry.opening.catch((error: unknown) => {
          throw toRefusal(error)
        })
        return await run(backend, known.rights)
      } finally {
        entry.underWay--
        entry.usedMs = clock.monotonic()
        if (entry.isDropped && entry.underWay === 0) void entry.opening.then(end, () => {})
      }
    },
    async endStreams() {
      closed = true
      cancelSweep?.()
      await Promise.all([...entries.values()].map(({ opened }) => opened?.endStreams()))
    },
    async close() {
      await Promise.all([...entries.values()].map(({ opening }) => opening.then(end, () => {})))
    },
  }
}

function toKey(user: string, password: string): string {
  return JSON.stringify([user, password])
}

async function end(backend: Backend): Promise<void> {
  await Promise.all([backend.endStreams(), backend.close()])
}

function toRefusal(error: unknown): Refusal {
  const { cause } = error as Error
  if (!isRefused(cause)) return unavailable(reasonOf(error))
  return cause.message.startsWith('NOPERM') ? badRequest(cause.message) : unauthorized()
}
