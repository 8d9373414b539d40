import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { describe, InvalidOption } from '../errors.ts'
import { isDeeper, MAX_DEPTH } from './depth.ts'
import { refusal } from './problem.ts'

const JSON_TYPE = /^application\/(?:[\w.!#$&^-]+\+)?json$/i

/** Refuses a body over the limit while it arrives, whether it says its length or not. */
export function limitBody(maxBodyBytes: number): MiddlewareHandler {
  if (!(Number.isSafeInteger(maxBodyBytes) && maxBodyBytes > 0))
    throw new InvalidOption('maxBodyBytes', 'a whole number above 0', String(maxBodyBytes))
  const onError = () => {
    throw refusal('too-large', `expected a body of at most ${maxBodyBytes} bytes, got more`)
  }
  const limitStream = bodyLimit({ maxSize: maxBodyBytes, onError })
  return async (c, next) => {
    const bytes = lengthOf(c)
    if (bytes === undefined) return limitStream(c, next)
    return bytes > maxBodyBytes ? onError() : next()
  }
}

/** What the server holds the body to. A look at the body itself would make a stream of it, which takes longer to read than a small one is. */
function lengthOf({ req }: Context): number | undefined {
  const length = req.header('Content-Length')
  if (length === undefined || !/^\d+$/.test(length) || req.header('Transfer-Encoding') !== undefined) return undefined
  return Number(length)
}

/** The body's value; `undefined` for an empty one. What content type an empty body claims does not matter. */
export async function readJson(c: Context): Promise<unknown> {
  const bytes = await c.req.arrayBuffer()
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
    return JSON.parse(text)
  } catch {
    throw refusal('malformed-json', `expected one JSON value, got ${describe(text)} that is none`)
  }
}

function requireJsonType(contentType: string | undefined): void {
  const type = contentType?.split(';')[0]?.trim()
  if (type === undefined || JSON_TYPE.test(type)) return
  throw refusal(
    'unsupported-media-type',
    `expected the content type application/json, got ${type.slice(0, 100)}: send "Content-Type: application/json"`,
    { headers: { Accept: 'application/json' } },
  )
}
