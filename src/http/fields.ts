/**
 * What bodies, queries, and the calls of workers and brokers elsewhere are made of.
 *
 * @module
 */
import * as v from 'valibot'
import { blobOf } from '../blobs.ts'
import { CALLBACK_TASK, CALLBACK_URL, type Callbacks, isCallbackUrl } from '../callbacks.ts'
import { NAME, NAME_FORM } from '../words.ts'
import { isDeeper, MAX_DEPTH } from './depth.ts'

const QUEUE = `expected a queue's name of ${NAME_FORM}`
const LINE = 'expected a text without control characters'
const JSON_TEXT = 'expected a JSON text, empty for no value, or a reference to a blob'

// A tick's job is named for its schedule, which makes its id longer than one that a caller may choose.
export const MAX_ID_CHARS = 1_000

export const queueName: v.GenericSchema<string> = v.pipe(v.string(QUEUE), v.regex(NAME, QUEUE))

export const text = (maxChars: number, minChars = 0): v.GenericSchema<string> => {
  const message = `expected a text of ${minChars} to ${maxChars} characters`
  return v.pipe(v.string(message), v.minLength(minChars, message), v.maxLength(maxChars, message))
}

/** One line: stores write what goes together on one, with control characters between. */
export const line = (maxChars: number, minChars = 0): v.GenericSchema<string> =>
  v.pipe(text(maxChars, minChars), v.regex(/^[^\p{Cc}\p{Cs}]*$/u, LINE))

export const whole = (message: string, min = 0, max: number = Number.MAX_SAFE_INTEGER): v.GenericSchema<number> =>
  v.pipe(v.number(message), v.safeInteger(message), v.minValue(min, message), v.maxValue(max, message))

/** The length first: a list of a million wrong things would make a million issues. */
export const list = <In, Out>(
  item: v.GenericSchema<In, Out>,
  max: number,
  message = `expected a list of at most ${max}`,
): v.GenericSchema<In[], Out[]> =>
  v.pipe(v.array(v.unknown() as v.GenericSchema<In, unknown>, message), v.maxLength(max, message), v.array(item))

export const form =
  (keys: string) =>
  ({ expected }: { readonly expected: string | null }): string => {
    if (expected === 'never') return `expected nothing but ${keys}`
    return expected === 'Object' ? `expected an object of ${keys}` : 'expected a value'
  }

/** An object of these fields and no other. */
export const objectOf = <Entries extends v.ObjectEntries>(entries: Entries) =>
  v.strictObject(entries, form(Object.keys(entries).join(', ')))

const CALLBACK = 'expected the address of a callback as a client writes it'
const callbackUrl = v.exactOptional(
  v.pipe(
    v.string(CALLBACK),
    v.regex(CALLBACK_URL, CALLBACK),
    v.check((url) => isCallbackUrl(url), CALLBACK),
  ),
)

/** As brokers keep them. */
export const callbackFields: { readonly [Name in keyof Callbacks]-?: typeof callbackUrl } = {
  onSuccess: callbackUrl,
  onFailure: callbackUrl,
}

const OWN_TASK = `expected a task other than "${CALLBACK_TASK}", which brokers alone make jobs of`
/** Whoever could make a job of it would have a worker sign what they say, and be told how any job has ended. */
export const notCallback = <Schema extends v.GenericSchema<string>>(task: Schema) =>
  v.pipe(task, v.notValue(CALLBACK_TASK, OWN_TASK))

/** JSON as the broker keeps it. */
export const jsonText: v.GenericSchema<string> = v.pipe(
  v.string(JSON_TEXT),
  v.check((json) => blobOf(json) !== null || isJsonText(json), JSON_TEXT),
)

/** Whether what is to be kept can be read back: JSON that nests as a body may, or nothing. */
function isJsonText(json: string): boolean {
  if (json === '') return true
  if (isDeeper(json, MAX_DEPTH)) return false
  try {
    JSON.parse(json)
    return true
  } catch {
    return false
  }
}
