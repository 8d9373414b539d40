import type { Reply } from '../protocol/encoding.ts'

/** Settings that let somebody into Redis itself, or hold its keys: `requirepass`, `masterauth`, `tls-key-file-pass`, and newer ones by how they end. */
const SECRET = /(?:pass|password|auth|secret)$/i

/** The reply to `CONFIG GET`, names and values in turns, without those. */
export function withoutSecrets(reply: Reply): Reply {
  if (!Array.isArray(reply)) return reply
  return reply.filter((_, at) => !SECRET.test(String(reply[at - (at % 2)])))
}
