import { createHash } from 'node:crypto'
import { ErrorReply } from '@redis/client'
import { type Command, upper } from '../protocol/command.ts'
import type { Reply } from '../protocol/encoding.ts'
import { toFields, toTexts } from '../redis/key-specs.ts'
import { type Seal, toSealed } from '../tokens/acl-token.ts'
import type { Prepared } from './prepare.ts'

/** What Redis says of one of its users. */
export interface AclUser {
  readonly isOn: boolean
  /** Any password will do, and `hashes` is empty: whoever reads the hashes of the gateway's tokens could call as this one. */
  readonly needsNoPassword: boolean
  /** Of the passwords, SHA-256 in hex. */
  readonly hashes: readonly string[]
  /** All that Redis says: when it is another text, the user may do something else. */
  readonly rights: string
}

/** Reads the reply of `ACL GETUSER`. `undefined` for a user that there is not. */
export function toAclUser(reply: Reply): AclUser | undefined {
  if (!Array.isArray(reply)) return undefined
  const fields = toFields(reply)
  const flags = toTexts(fields.get('flags'))
  return {
    isOn: flags.includes('on'),
    needsNoPassword: flags.includes('nopass'),
    hashes: toTexts(fields.get('passwords')),
    rights: JSON.stringify(reply),
  }
}

/** Which of these is a password of the user's. */
export function passwordOf(user: AclUser | undefined, passwords: readonly string[]): string | undefined {
  return passwords.find(
    (password) => user?.isOn && user.hashes.includes(createHash('sha256').update(password).digest('hex')),
  )
}

/** It changes nothing and is always there. */
const NOTHING: Command = ['PING']

/**
 * `ACL RESTTOKEN` and `ACL GENTOKEN`, which Redis does not have: as Upstash has them, for whoever holds a token for everything.
 * Any other ACL command is Redis's.
 */
export function prepareAcl(command: Command, seal: Seal): Prepared {
  const word = upper(command[1])
  if (word !== 'RESTTOKEN' && word !== 'GENTOKEN') return { command }
  const [user, password, ...more] = command.slice(2).map((part) => Buffer.from(part).toString())
  const isPasswordMissing = word === 'RESTTOKEN' && password === undefined
  if (user === undefined || isPasswordMissing || more.length > 0)
    return refused(`ERR wrong number of arguments for 'acl|${word.toLowerCase()}' command`)
  // To the library that is nobody, so Redis would know its requests as those of `default`.
  if (user === '') return refused('ERR User "" gets no token')
  if (word === 'GENTOKEN') return { command: NOTHING, answer: () => close(seal, user, password) }
  return { command: ['ACL', 'GETUSER', user], answer: (reply) => restToken(seal, user, String(password), reply) }
}

/** By a password of the user's, or by an ACL token of the user's that wraps one. */
function restToken(seal: Seal, user: string, given: string, reply: Reply): Reply {
  const known = toAclUser(reply)
  if (known?.needsNoPassword)
    return new ErrorReply(`ERR User "${user}" needs no password, and gets no token without one`)
  const sealed = toSealed(given)
  const login = sealed && seal.open(sealed)
  const wrapped = login?.user === user ? login.password : undefined
  const password = passwordOf(known, wrapped === undefined ? [given] : [given, wrapped])
  if (password === undefined) return new ErrorReply(`ERR Wrong password or user "${user}" does not exist`)
  return close(seal, user, password)
}

function close(seal: Seal, user: string, password: string | undefined): Reply {
  const token = seal.close({ user, password })
  return token === undefined ? new ErrorReply('ERR user and password are too long for a token') : Buffer.from(token)
}

function refused(message: string): Prepared {
  return { command: NOTHING, answer: () => new ErrorReply(message) }
}
