import { ErrorReply } from '@redis/client'

/** A reply of Redis's: bulk strings as bytes; integers and statuses as text. */
export type Reply = string | Buffer | null | ErrorReply | readonly Reply[]

/** Writes strings: as JSON text, where bytes that are no UTF-8 become U+FFFD, or as base64, which keeps every byte. */
interface Writer {
  bytes(value: Buffer): string
  text(value: string): string
}

const PLAIN: Writer = { bytes: (value) => JSON.stringify(value.toString()), text: (value) => JSON.stringify(value) }
const BASE64: Writer = {
  bytes: (value) => `"${value.toString('base64')}"`,
  text: (value) => `"${Buffer.from(value).toString('base64')}"`,
}

/**
 * A reply as `{"result":...}`, or as `{"error":...}`.
 *
 * In base64 every string is encoded but one: the status OK, and only as the whole result, which is where clients expect it.
 */
export function toBody(reply: Reply, base64: boolean): string {
  if (reply instanceof ErrorReply) return errorBody(reply.message)
  if (reply === 'OK') return '{"result":"OK"}'
  return `{"result":${write(reply, base64 ? BASE64 : PLAIN)}}`
}

export function errorBody(message: string): string {
  return `{"error":${JSON.stringify(message)}}`
}

function write(reply: Reply, writer: Writer): string {
  if (reply === null) return 'null'
  if (Buffer.isBuffer(reply)) return writer.bytes(reply)
  // As the text it came in: a double would round integers beyond 2^53.
  if (typeof reply === 'string') return isInteger(reply) ? reply : writer.text(reply)
  return reply instanceof ErrorReply ? errorBody(reply.message) : writeArray(reply, writer)
}

function writeArray(replies: readonly Reply[], writer: Writer): string {
  let out = '['
  for (let at = 0; at < replies.length; at++) out += (at === 0 ? '' : ',') + write(replies[at] as Reply, writer)
  return `${out}]`
}

/** Only a script can return a status of digits alone; it reads as the integer. */
function isInteger(text: string): boolean {
  return /^(?:0|-?[1-9]\d*)$/.test(text)
}
