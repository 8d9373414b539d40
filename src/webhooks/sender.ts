import { describe, InvalidOption } from '../errors.ts'
import { type Bytes, type Hash, hmac, isAmong, isSignedByTq, toBytes } from '../hmac.ts'

/** What a sender signs with. Several are good at once, while one is replaced by the next; those that are `undefined` are left out. */
export type Secret = string | undefined | readonly (string | undefined)[]

export interface SenderOptions {
  readonly secret: Secret
}

export interface TimedSenderOptions extends SenderOptions {
  /** How far the sender's time may be from the server's, either way. Default 300,000. */
  readonly toleranceMs?: number
}

/** A webhook's request, as it came. */
export interface Delivery {
  readonly url: string
  readonly headers: Headers
  readonly body: Bytes
}

/** What a delivery says that its sender has signed. */
export interface Signed {
  /** Read as one text, one part after the other. */
  readonly content: readonly (string | Bytes)[]
  /** As `write` writes them. One that is right is enough. */
  readonly signatures: readonly (string | null | undefined)[]
  /** When it was signed, in seconds, for a sender that says so; it has to be part of the content. */
  readonly atS?: string | null | undefined
}

/** What a delivery is about. */
export interface WebhookEvent<Body = unknown> {
  /** Of the delivery: the same when it is sent again. */
  readonly id: string
  /** What has happened, in the sender's words; empty where it does not say. */
  readonly kind: string
  readonly headers: Headers
  /** The value of a JSON body, the fields of a form, or a text. */
  readonly body: Body
}

/** How one service signs its webhooks, and what it says in them. */
export interface SenderDefinition<Body> {
  /** For messages. */
  readonly name: string
  readonly secret: Secret
  readonly toleranceMs?: number | undefined
  /** The secret's bytes, or null for a secret that cannot be one. Default its UTF-8. */
  readonly toKey?: (secret: string) => Bytes | null
  /** Default SHA-256. */
  readonly hash?: Hash
  /** A HMAC as the sender writes it. */
  readonly write: (mac: Bytes) => string
  /** What it says to have signed; null where it is not even whole. */
  readonly signed: (delivery: Delivery) => Signed | null | Promise<Signed | null>
  /** Of a body that is verified. Default the body as it is. */
  readonly toBody?: (body: unknown) => Body
  /** Where a delivery has its id and its kind; what is not a text counts as none. */
  readonly about: (body: Body, headers: Headers) => { readonly id?: unknown; readonly kind?: unknown }
  /** An answer to what is no event, such as a ping. */
  readonly reply?: (event: WebhookEvent<Body>) => Response | undefined
  /** An answer to what has been taken, where the sender cares. */
  readonly taken?: () => Response
}

/** Who sends webhooks: what `webhook` needs to verify and read them. */
export interface Sender<Body = unknown> extends Pick<SenderDefinition<Body>, 'name' | 'about' | 'taken'> {
  toBody(body: unknown): Body
  reply(event: WebhookEvent<Body>): Response | undefined
  /** The content that one of the secrets has signed, lately; null for any other delivery. */
  verify(delivery: Delivery, nowMs: number): Promise<Bytes | null>
}

const TOLERANCE_MS = 300_000

/**
 * Defines a sender whose webhooks are signed by an HMAC: for those that have no preset.
 *
 * Throws `InvalidOption` without a secret.
 *
 * @example
 * ```ts
 * import { defineSender, webhook } from 'tq-edge/webhooks'
 *
 * const intercom = (secret: string) =>
 *   defineSender<{ id?: string; topic?: string }>({
 *     name: 'intercom',
 *     secret,
 *     hash: 'SHA-1',
 *     write: (mac) => `sha1=${[...mac].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`,
 *     signed: ({ headers, body }) => ({ content: [body], signatures: [headers.get('X-Hub-Signature')] }),
 *     about: ({ id, topic }) => ({ id, kind: topic }),
 *   })
 * console.log(webhook('/hooks/intercom', intercom('a-secret'), 'ticket.changed').path) // /hooks/intercom
 * ```
 */
export function defineSender<Body = unknown>(definition: SenderDefinition<Body>): Sender<Body> {
  const { name, toleranceMs = TOLERANCE_MS, hash, write, signed, about, taken } = definition
  const { toBody = (body) => body as Body, reply = () => undefined } = definition
  const keys = keysOf(definition)
  if (!(toleranceMs > 0)) throw new InvalidOption('toleranceMs', 'milliseconds above 0', String(toleranceMs))

  return {
    name,
    about,
    toBody,
    reply,
    ...(taken && { taken }),
    async verify(delivery, nowMs) {
      const told = await signed(delivery)
      if (!told || !isFresh(told.atS, nowMs, toleranceMs)) return null
      const content = join(told.content)
      if (isSignedByTq(content)) return null
      const signatures = told.signatures.flatMap((signature) => (signature ? [toBytes(signature)] : []))
      let found = false
      // Each of them, also once one has been found: how long it takes tells nothing.
      for (const key of keys) found = isAmong(toBytes(write(await hmac(key, content, hash))), signatures) || found
      return found ? content : null
    },
  }
}

function keysOf({
  name,
  secret,
  toKey = toBytes,
}: Pick<SenderDefinition<unknown>, 'name' | 'secret' | 'toKey'>): readonly Bytes[] {
  const secrets: readonly unknown[] = [secret].flat().filter((one) => one !== undefined)
  const keys = secrets.map((one) => (typeof one === 'string' ? toKey(one) : null))
  if (keys.length > 0 && keys.every((key) => key !== null && key.length > 0)) return keys as Bytes[]
  const wrong = secrets[keys.findIndex((key) => key === null || key.length === 0)]
  const got = wrong === undefined ? 'none: is its variable set where the API is served?' : describe(wrong)
  throw new InvalidOption(`the secret of ${name}`, `one as ${name} shows it, or several`, got)
}

/** True where the sender says no time. */
function isFresh(atS: string | null | undefined, nowMs: number, toleranceMs: number): boolean {
  if (atS === undefined) return true
  return /^\d{1,12}$/.test(atS ?? '') && Math.abs(nowMs - Number(atS) * 1_000) <= toleranceMs
}

function join(parts: readonly (string | Bytes)[]): Bytes {
  const all = parts.map((part) => (typeof part === 'string' ? toBytes(part) : part))
  if (all.length === 1) return all[0] as Bytes
  const joined = new Uint8Array(all.reduce((bytes, { length }) => bytes + length, 0))
  let at = 0
  for (const part of all) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}
