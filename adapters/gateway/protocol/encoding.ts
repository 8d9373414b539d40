import { ErrorReply } from '@redis/client'

/** A reply of Redis's: bulk strings as bytes; integers and statuses as text. */
export type Reply = string | Buffer | null | ErrorReply | readonly Reply[]

export type Body = string | Uint8Array<ArrayBuffer>

/** How a response's body is written. */
export interface Format {
  readonly contentType: string
  one(reply: Reply): Body
  many(replies: readonly Reply[]): Body
}

/** Writes strings: as JSON text, where bytes that are no UTF-8 become U+FFFD, or as base64, which keeps every byte. */
interface Writer {
  bytes(value: Buffer): string
  text(value: string): string
}

/** Replies as `{"result":...}` or `{"error":...}`. */
export const PLAIN: Format = createJson({
  bytes: (value) => JSON.stringify(value.toString()),
  text: (value) => JSON.stringify(value),
})

/** The same, with every string in base64 but one: the status OK, and only as the whole result, which is where clients expect it. */
export const BASE64: Format = createJson({
  bytes: (value) => `"${value.toString('base64')}"`,
  text: (value) => `"${Buffer.from(value).toString('base64')}"`,
})

function createJson(writer: Writer): Format {
  function one(reply: Reply): string {
    if (reply instanceof ErrorReply) return errorBody(reply.message)
    return reply === 'OK' ? '{"result":"OK"}' : `{"result":${write(reply, writer)}}`
  }
  return {
    contentType: 'application/json',
    one,
    many(replies) {
      let out = '['
      for (let at = 0; at < replies.length; at++) out += (at === 0 ? '' : ',') + one(replies[at] as Reply)
      return `${out}]`
    },
  }
}

function errorBody(message: string): string {
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
export function isInteger(text: string): boolean {
  return /^(?:0|-?[1-9]\d*)$/.test(text)
}
