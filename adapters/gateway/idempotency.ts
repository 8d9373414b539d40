/**
 * `Idempotency-Key`, as the REST API has it: a request that is sent again under its key within a minute is not executed again, and is
 * answered as the first one. Here the answers are kept in memory, and those who come while the first is under way share its answer.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../../src/clock.ts'
import { KEY_FORM, toKey } from '../../src/http/idempotency-key.ts'
import { readBytes } from './protocol/body.ts'
import type { Body } from './protocol/encoding.ts'
import { badRequest, Refusal } from './protocol/refusal.ts'
import { REPLAYED } from './protocol/responses.ts'
import type { Caller } from './tokens/auth.ts'
import type { Visit } from './traffic.ts'

const KEPT_MS = 60_000
/** What a token's requests may fill. Beyond it the oldest are forgotten first. */
const MAX_KEYS = 10_000
const MAX_BYTES = 16 * 1_048_576
/** Of an answer that is larger, only that there was one is kept. */
const MAX_ANSWER_BYTES = 1_048_576

/** A request under a key. */
export interface Keyed {
  /** The hash of the token whose key it is. */
  readonly token: string
  readonly key: string
  /** All that another request may not differ in. */
  readonly request: readonly (string | Buffer)[]
}

export interface Answer {
  readonly body: Body
  readonly isReplay: boolean
}

export interface Idempotency {
  /** What `run` brings, or what it has brought, or will, for the request that came first. Throws `Refusal` as that one did. */
  once(keyed: Keyed, run: () => Promise<Body>): Promise<Answer>
  close(): void
}

interface Entry {
  readonly fingerprint: string
  outcome: Promise<Body | Refusal>
  bytes: number
  endsAtMs: number
}

/** The entries of one token, the oldest first. */
interface Store {
  readonly entries: Map<string, Entry>
  bytes: number
}

export function createIdempotency(clock: Clock): Idempotency {
  const stores = new Map<string, Store>()
  let cancel: (() => void) | undefined

  function storeOf(token: string): Store {
    const store = stores.get(token) ?? { entries: new Map(), bytes: 0 }
    stores.set(token, store)
    cancel ??= clock.after(KEPT_MS, sweep)
    return store
  }

  function sweep(): void {
    for (const [token, store] of stores) {
      for (const [key, entry] of store.entries) if (isOver(entry)) forget(store, key, entry)
      if (store.entries.size === 0) stores.delete(token)
    }
    cancel = stores.size > 0 ? clock.after(KEPT_MS, sweep) : undefined
  }

  const isOver = ({ endsAtMs }: Entry) => clock.monotonic() >= endsAtMs

  function start(store: Store, key: string, fingerprint: string, run: () => Promise<Body>): Promise<Body | Refusal> {
    const outcome = run().catch(toRefusal)
    const entry: Entry = { fingerprint, outcome, bytes: 0, endsAtMs: Number.POSITIVE_INFINITY }
    store.entries.set(key, entry)
    outcome.then(
      (outcome) => (hasMeaning(outcome) ? keep(store, entry, outcome) : forget(store, key, entry)),
      () => forget(store, key, entry),
    )
    return outcome
  }

  function keep(store: Store, entry: Entry, outcome: Body | Refusal): void {
    const bytes = outcome instanceof Refusal ? 0 : outcome.length
    if (bytes > MAX_ANSWER_BYTES) entry.outcome = Promise.resolve(isTooLarge(bytes))
    else entry.bytes = bytes
    entry.endsAtMs = clock.monotonic() + KEPT_MS
    store.bytes += entry.bytes
    for (const [key, oldest] of store.entries) {
      if (store.entries.size <= MAX_KEYS && store.bytes <= MAX_BYTES) break
      if (Number.isFinite(oldest.endsAtMs)) forget(store, key, oldest)
    }
  }

  function forget(store: Store, key: string, entry: Entry): void {
    if (store.entries.get(key) !== entry) return
    store.entries.delete(key)
    store.bytes -= entry.bytes
  }

  return {
    async once({ token, key, request }, run) {
      const store = storeOf(token)
      const fingerprint = digest(request)
      const earlier = store.entries.get(key)
      if (earlier && isOver(earlier)) forget(store, key, earlier)
      else if (earlier && earlier.fingerprint !== fingerprint) throw wasReused()
      const first = store.entries.get(key)
      const outcome = await (first?.outcome ?? start(store, key, fingerprint, run))
      if (outcome instanceof Refusal) throw first ? again(outcome) : outcome
      return { body: outcome, isReplay: first !== undefined }
    },
    close: () => cancel?.(),
  }
}

/**
 * What a request under an `Idempotency-Key` stands for. The rights are part of it: what a token may not do
 * any more, it is not told from memory either.
 */
export async function toKeyed(
  header: string,
  { hash, rights }: Caller,
  { request, target }: Visit,
  maxBytes: number,
): Promise<Keyed> {
  const { headers, method } = request
  const { path, query } = target
  const key = toKey(header)
  if (key === undefined) throw badRequest(`ERR ${KEY_FORM}`)
  const formats = [headers.get('upstash-encoding') ?? '', headers.get('upstash-response-format') ?? '']
  const body = await readBytes(request.clone() as Request, maxBytes)
  return { key, token: hash, request: [rights, method, path, query, ...formats, body] }
}

function toRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  throw error
}

const again = ({ status, message, headers, mayHaveRun }: Refusal): Refusal =>
  new Refusal(status, message, { ...headers, ...REPLAYED }, mayHaveRun)

/** False where nothing was done, and a later try may fare better. */
function hasMeaning(outcome: Body | Refusal): boolean {
  return !(outcome instanceof Refusal) || outcome.status === 400 || outcome.mayHaveRun
}

/** Of lists that differ, never the same. */
function digest(parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part)
  return hash.digest('base64')
}

const isTooLarge = (bytes: number): Refusal =>
  new Refusal(409, `ERR the request under this Idempotency-Key has run; its answer of ${bytes} bytes was not kept`)

const wasReused = (): Refusal =>
  new Refusal(
    422,
    'ERR expected the request that was sent first under this Idempotency-Key, by the same rights, got another: nothing of it was done; give it a key of its own',
  )
