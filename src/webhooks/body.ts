import type { Bytes } from '../hmac.ts'
import { parseJson, requireUtf8 } from '../http/body.ts'
import { refusal } from '../http/problem.ts'

/** The fields of a form: a text each, a list of them for a field that is there more than once. */
export type Form = Readonly<Record<string, string | readonly string[]>>

type ReadBody = (body: Bytes) => unknown

const TYPES: readonly (readonly [type: RegExp, read: ReadBody])[] = [
  [/^application\/(?:[\w.!#$&^-]+\+)?json$/i, parseJson],
  [/^application\/x-www-form-urlencoded$/i, (body) => toForm(readText(body))],
  [/^text\/plain$/i, readText],
]

/** What reads a body of this content type; one that is not named is taken for JSON. Throws for one that nothing here reads. */
export function readerOf(contentType: string | null): ReadBody {
  requireUtf8(contentType)
  const type = contentType?.split(';')[0]?.trim() ?? 'application/json'
  const read = TYPES.find(([pattern]) => pattern.test(type))?.[1]
  if (read) return (body) => (body.length === 0 ? undefined : read(body))
  throw refusal('unsupported-media-type', `expected a body of JSON, a form or a plain text, got ${type.slice(0, 100)}`)
}

/** The value of the field `payload`, where a sender puts its JSON into a form; any other body as it is. */
export function fromPayload(body: unknown): unknown {
  const payload = fieldsOf(body).payload
  return typeof payload === 'string' ? parseJson(new TextEncoder().encode(payload)) : body
}

/** What is in a body that may be anything. */
export function fieldsOf(body: unknown): Readonly<Record<string, unknown>> {
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
}

/** Own fields whatever they are called: `__proto__` is one, and changes no prototype. */
function toForm(text: string): Form {
  const fields = new Map<string, string[]>()
  for (const [name, value] of new URLSearchParams(text)) {
    const values = fields.get(name)
    if (values) values.push(value)
    else fields.set(name, [value])
  }
  return Object.fromEntries(
    [...fields].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values]),
  )
}

function readText(body: Bytes): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    throw refusal('malformed-body', `expected a text in UTF-8, got ${body.length} bytes that are not UTF-8`)
  }
}
