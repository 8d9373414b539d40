import { ErrorReply } from '@redis/client'
import { type Format, isInteger, type Reply } from './encoding.ts'

const END = '\r\n'

/** Replies as Redis itself sends them over TCP, several of them back to back. A list that is nil is written as any nil. */
export const RESP2: Format = {
  contentType: 'application/octet-stream',
  one: (reply) => join([reply]),
  many: join,
}

function join(replies: readonly Reply[]): Uint8Array<ArrayBuffer> {
  const parts: Buffer[] = []
  for (const reply of replies) write(reply, parts)
  return Buffer.concat(parts)
}

function write(reply: Reply, parts: Buffer[]): void {
  if (reply === null) parts.push(line('$', -1))
  else if (typeof reply === 'string') parts.push(line(isInteger(reply) ? ':' : '+', reply))
  else if (Buffer.isBuffer(reply)) parts.push(line('$', reply.length), reply, Buffer.from(END))
  // A line of its own in a message would pass for another reply.
  else if (reply instanceof ErrorReply) parts.push(line('-', reply.message.replace(/[\r\n]+/g, ' ')))
  else {
    parts.push(line('*', reply.length))
    for (const item of reply) write(item, parts)
  }
}

function line(type: string, value: string | number): Buffer {
  return Buffer.from(`${type}${value}${END}`)
}
