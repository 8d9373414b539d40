import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { describe, InvalidOption } from '../errors.ts'
import { isDeeper, MAX_DEPTH } from './depth.ts'
import { RefusedRequest, refusal } from './problem.ts'

const JSON_TYPE = /^application\/(?:[\w.!#$&^-]+\+)?json$/i
const UTF8 = /^(?:utf-?8|us-ascii)$/i
/**
 * Where a number may be beyond all that a double holds: an exponent of three digits, or very many digits. In a text it may be anything.
 * Digits are counted from the first of them alone: from each it would take a hundred times as long as to read them.
 */
const MAYBE_HUGE = /e\+?\d{3}|(?<!\d)\d{200}/i

/** Refuses a body over the limit while it arrives, whether it says its length or not, and one that is compressed. */
export function limitBody(maxBodyBytes: number): MiddlewareHandler {
  if (!(Number.isSafeInteger(maxBodyBytes) && maxBodyBytes > 0))
    throw new InvalidOption('maxBodyBytes', 'a whole number above 0', String(maxBodyBytes))
  const tooLarge = () => {
    throw refusal('too-large', `expected a body of at most ${maxBodyBytes} bytes, got more`)
  }
  const limitStream = bodyLimit({ maxSize: maxBodyBytes, onError: tooLarge })
  return async (c, next) => {
    requirePlain(c.req.header('Content-Encoding'))
    const bytes = lengthOf(c)
    if (bytes !== undefined) return bytes > maxBodyBytes ? tooLarge() : next()
    if (c.req.raw.bodyUsed) {
      if ((await readBody(c)).byteLength > maxBodyBytes) tooLarge()
      return next()
    }
    let reading = true
    const go = () => {
      reading = false
      return next()
    }
    return limitStream(c, go).catch((error: unknown) => {
      if (reading) refuseCut(error)
      throw error
    })
  }
}

/** What the server holds the body to. A look at the body itself would make a stream of it, which takes longer to read than a small one is. */
function lengthOf({ req }: Context): number | undefined {
  const length = req.header('Content-Length')
  if (length === undefined || !/^\d+$/.test(length) || req.header('Transfer-Encoding') !== undefined) return undefined
  return Number(length)
}

/** What a Hono app keeps of a body that a middleware of its own has read, byte by byte; a form it would write anew. */
const KEPT = ['arrayBuffer', 'text', 'blob']

/** The body as it was sent. Throws `RefusedRequest` where that is not to be had: no caller is to be told that an empty one was taken. */
export async function readBody(c: Context): Promise<ArrayBuffer> {
  const { raw, bodyCache } = c.req
  if (raw.bodyUsed && !KEPT.some((form) => form in bodyCache)) throw bodyRead()
  const bytes = await c.req.arrayBuffer().catch(refuseCut)
  if (bytes.byteLength === 0 && Number(c.req.header('Content-Length')) > 0) throw noBytes()
  return bytes
}

const PUT_BEFORE = 'put the API before what parses bodies, such as express.json()'

/** For a body that some other part of the server has taken from the request. */
export function bodyRead() {
  return refusal('body-read', `expected the body as it was sent, got one that is read already: ${PUT_BEFORE}`)
}

/** Its caller is gone, or another part of the server has taken it in a way that cannot be seen here. */
function noBytes() {
  return refusal('malformed-body', `expected the whole body, got nothing of it: send it again, or ${PUT_BEFORE}`)
}

/** Whatever each server says of a connection that is gone in the middle: it is the caller's end that was lost. */
function refuseCut(error: unknown): never {
  if (error instanceof RefusedRequest) throw error
  throw refusal('malformed-body', 'expected the whole body, got an end in the middle of it: send it again')
}

/** The body's value; `undefined` for an empty one. What content type an empty body claims does not matter. */
export async function readJson(c: Context): Promise<unknown> {
  const bytes = await readBody(c)
  if (bytes.byteLength === 0) return undefined
  requireJsonType(c.req.header('Content-Type'))
  return parseJson(bytes)
}

/** The runtimes' own messages quote the body, so they stay out. */
export function parseJson(bytes: ArrayBuffer | Uint8Array<ArrayBuffer>): unknown {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw refusal('malformed-json', `expected JSON in UTF-8, got ${bytes.byteLength} bytes that are not UTF-8`)
  }
  if (isDeeper(text, MAX_DEPTH))
    throw refusal('malformed-json', `expected JSON nested at most ${MAX_DEPTH} deep, got deeper`)
  try {
    return JSON.parse(text, MAYBE_HUGE.test(text) ? requireFinite : undefined)
  } catch (error) {
    if (error instanceof RefusedRequest) throw error
    throw refusal('malformed-json', `expected one JSON value, got ${describe(text)} that is none`)
  }
}

/** What is read as endless would be kept as null. */
function requireFinite(_: string, value: unknown): unknown {
  if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY)
    throw refusal('malformed-json', 'expected numbers of at most 1.8e308, got one beyond: send it as a text')
  return value
}

/** A signature and a limit are of the bytes that come: what they unfold to is nobody's word. */
function requirePlain(encoding: string | undefined): void {
  if (encoding === undefined || /^(?:identity)?$/i.test(encoding.trim())) return
  throw refusal('unsupported-media-type', 'expected a body that is not compressed: send it without Content-Encoding', {
    headers: { 'Accept-Encoding': 'identity' },
  })
}

/** JSON is UTF-8 (RFC 8259); who says that theirs is something else would be misread. */
export function requireUtf8(contentType: string | null | undefined): void {
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(contentType ?? '')?.[1]
  if (charset === undefined || UTF8.test(charset)) return
  throw refusal(
    'unsupported-media-type',
    'expected a body in UTF-8, got another charset: send "charset=utf-8", or none',
  )
}

function requireJsonType(contentType: string | undefined): void {
  requireUtf8(contentType)
  const type = contentType?.split(';')[0]?.trim()
  if (type === undefined || JSON_TYPE.test(type)) return
  throw refusal(
    'unsupported-media-type',
    `expected the content type application/json, got ${type.slice(0, 100)}: send "Content-Type: application/json"`,
    { headers: { Accept: 'application/json' } },
  )
}
