/**
 * HMACs by WebCrypto, and the comparison that tells nothing: for whatever is signed.
 *
 * @module
 */

import { describe, InvalidOption } from './errors.ts'

export type Bytes = Uint8Array<ArrayBuffer>
export type Hash = 'SHA-256' | 'SHA-1'

export async function hmac(key: Bytes, data: Bytes, hash: Hash = 'SHA-256'): Promise<Bytes> {
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash }, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, data))
}

export async function sha256(data: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', data))
}

/**
 * Whether a digest is among others, in a time that tells nothing: every byte of every one is looked at, and since they are
 * digests, neither length nor a common beginning says anything of a token.
 */
export function isAmong(digest: Uint8Array, digests: readonly Uint8Array[]): boolean {
  return placeAmong(digest, digests) >= 0
}

/** Where it is among them, found just so; the last place of several, and -1 where it is not. */
export function placeAmong(digest: Uint8Array, digests: readonly Uint8Array[]): number {
  let found = 0
  for (const [place, other] of digests.entries()) {
    let difference = digest.length ^ other.length
    for (const [at, byte] of digest.entries()) difference |= byte ^ (other[at] ?? 0)
    found = Math.max(found, (place + 1) * Number(difference === 0))
  }
  return found - 1
}

/** What a secret says of a text, in hex. */
export async function sign(secret: string, text: string): Promise<string> {
  return toHex(await hmac(toBytes(secret), toBytes(text)))
}

/** Whether one of the secrets has signed the text: each is tried, so that how long it takes tells nothing. */
export async function isSigned(secrets: readonly string[], text: string, hex: string): Promise<boolean> {
  const macs = await Promise.all(secrets.map((secret) => sign(secret, text)))
  return isAmong(toBytes(hex), macs.map(toBytes))
}

/** How all begins that tq signs itself: links and kicks. */
const OWN_TEXT = /^tq-(?:link|kick) /

/** Whether it is a text of tq's own: whoever has a link has its signature, which is no sender's, also where both have one secret. */
export function isSignedByTq(content: Bytes): boolean {
  return OWN_TEXT.test(new TextDecoder().decode(content.subarray(0, 8)))
}

const MIN_SECRET_CHARS = 16

/** Throws `InvalidOption` for a secret that could be guessed. */
export function checkSecret(option: string, secret: string): string {
  if (typeof secret === 'string' && secret.length >= MIN_SECRET_CHARS) return secret
  throw new InvalidOption(option, `a secret of ${MIN_SECRET_CHARS} characters or more`, describe(secret))
}

export function toBytes(text: string): Bytes {
  return new TextEncoder().encode(text)
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

/** Null for what is none. */
export function fromBase64(text: string): Bytes | null {
  if (!/^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/.test(text)) return null
  return Uint8Array.from(atob(text), (unit) => unit.charCodeAt(0))
}

/** For a header or an address, as it is. */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** Throws for what is none. */
export function fromBase64Url(text: string): Bytes {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
}
