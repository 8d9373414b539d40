/**
 * Signed links: an address that does one thing, for whoever has it, until it expires. Made offline, verified without the broker.
 *
 * `link` in its query is `<what>.<hex>`: what it is for, as JSON in base64url, and the HMAC-SHA256 of `tq-link <what>`. It can be
 * used again until it expires; one that fixes the job's id makes one job, however often.
 *
 * @module
 */
import { describe, InvalidOption } from './errors.ts'
import { checkSecret, fromBase64Url, isSigned, sign, toBase64Url, toBytes } from './hmac.ts'
import { toJson } from './job.ts'
import { checkTaskName } from './task.ts'

/** Enqueues jobs of a task. */
export interface EnqueueLink {
  readonly task: string
  /** Default: the body of each call. */
  readonly input?: unknown
  /** Of the one job that it makes. Default: each call makes another. */
  readonly id?: string | undefined
  readonly queue?: string | undefined
  /** The largest body. Default the API's. */
  readonly maxBytes?: number | undefined
  readonly expiresAtMs: number
}

/** Reads a job and its result. */
export interface ReadLink {
  readonly job: string
  readonly expiresAtMs: number
}

export type Link = EnqueueLink | ReadLink

export type LinkOptions = Link & {
  /** Where the API is: `https://...`, with its path where it has one. */
  readonly url: string
}

const FORM = /^([\w-]{1,8000})\.([0-9a-f]{64})$/

/**
 * Makes a signed link, offline: with one of the `linkSecrets` of the API (`TQ_LINK_SECRET` of `tq serve` and of edge entries).
 *
 * Throws `InvalidOption` for too short a secret, for what cannot be an address or a moment, and for an input that makes it too long.
 *
 * @example
 * ```ts
 * import { createLink } from 'tq-edge/client'
 *
 * const link = await createLink('a-long-random-secret', {
 *   url: 'https://tq.example',
 *   task: 'email.send',
 *   expiresAtMs: Date.now() + 7 * 86_400_000,
 * })
 * console.log(link.split('?')[0]) // https://tq.example/v1/links
 * ```
 */
export async function createLink(secret: string, { url, ...link }: LinkOptions): Promise<string> {
  checkSecret('secret', secret)
  check(url, link)
  const json = toJson('the link', link)
  const what = toBase64Url(toBytes(json))
  const text = `${what}.${await sign(secret, signed(what))}`
  if (!FORM.test(text)) throw new InvalidOption('the link', 'at most 6,000 bytes of JSON', `${toBytes(json).length}`)
  return `${url.replace(/\/$/, '')}/v1/links?link=${text}`
}

function check(url: string, link: Link): void {
  if (!URL.canParse(url) || !/^https?:[^?#]*$/.test(url))
    throw new InvalidOption('url', 'an address (https://...)', describe(url))
  if (!('job' in link)) checkTaskName(link.task)
  else if (typeof link.job !== 'string' || link.job === '')
    throw new InvalidOption('job', 'the id of a job', describe(link.job))
  // JSON leaves it out, and a link without that bound was not meant.
  for (const [option, value] of Object.entries(link))
    if (value === undefined) throw new InvalidOption(option, 'a value, or left out', 'undefined')
  for (const option of ['expiresAtMs', 'maxBytes'] as const) {
    const value = (link as Partial<EnqueueLink>)[option]
    if (option === 'maxBytes' && value === undefined) continue
    if (!(Number.isSafeInteger(value) && (value as number) > 0))
      throw new InvalidOption(option, 'a whole number above 0', String(value))
  }
}

/** What one of the secrets has signed; undefined for any other text. Whether it has expired, and what it means, the caller sees. */
export async function readLink(secrets: readonly string[], text: string): Promise<unknown> {
  const [, what, hex] = FORM.exec(text) ?? []
  if (what === undefined || hex === undefined || !(await isSigned(secrets, signed(what), hex))) return undefined
  try {
    return JSON.parse(new TextDecoder().decode(fromBase64Url(what)))
  } catch {
    return undefined
  }
}

const signed = (what: string) => `tq-link ${what}`
