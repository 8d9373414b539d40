import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, scryptSync } from 'node:crypto'

/** Whose an ACL token is: a user of Redis's. The password is the one that it wraps, or the token itself. */
export interface Login {
  readonly user: string
  readonly password?: string | undefined
}

/** What one token for everything makes ACL tokens with, and recognizes them by: nothing of them is kept anywhere. */
export interface Seal {
  /** An ACL token. `undefined` for a login that is too long for one. */
  close(login: Login, nonce?: Buffer): string | undefined
  /** `undefined` for what this seal has not closed. */
  open(sealed: Sealed): Login | undefined
}

/** What looks like an ACL token. */
export interface Sealed {
  readonly nonce: Buffer
  readonly text: Buffer
  readonly tag: Buffer
}

/** By what it begins with, whoever looks for secrets in code finds it. */
const PREFIX = 'tq_acl_'
/** Servers take some 8 KiB of headers or of a url. */
const MAX_CHARS = 4_096
const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

const KEY_BYTES = 32
const PURPOSE = 'tq gateway ACL token'

/** By the hash of a token that is random: the token itself is nowhere but with its caller. */
export function createSeal(hash: string): Seal {
  return sealBy(() => Buffer.from(hkdfSync('sha256', Buffer.from(hash, 'hex'), '', PURPOSE, KEY_BYTES)))
}

/**
 * By a token that somebody may have thought up: whoever holds one of its ACL tokens can try guesses at it at home, so each of them is to
 * cost some 50 ms. Here that is spent once, when there is the first ACL token or what looks like one.
 */
export function createSlowSeal(token: string): Seal {
  return sealBy(() => scryptSync(token, PURPOSE, KEY_BYTES))
}

function sealBy(derive: () => Buffer): Seal {
  let derived: Buffer | undefined
  function key(): Buffer {
    derived ??= derive()
    return derived
  }

  return {
    close({ user, password }, nonce = randomBytes(NONCE_BYTES)) {
      const cipher = createCipheriv(CIPHER, key(), nonce, { authTagLength: TAG_BYTES })
      const text = [cipher.update(JSON.stringify([user, password])), cipher.final()]
      const token = `${PREFIX}${Buffer.concat([nonce, ...text, cipher.getAuthTag()]).toString('base64url')}`
      return token.length > MAX_CHARS ? undefined : token
    },
    open({ nonce, text, tag }) {
      const decipher = createDecipheriv(CIPHER, key(), nonce, { authTagLength: TAG_BYTES }).setAuthTag(tag)
      const opened = decipher.update(text)
      try {
        decipher.final()
      } catch {
        // Closed by another seal, or by none.
        return undefined
      }
      const [user, password] = JSON.parse(opened.toString()) as [user: string, password: string | null]
      return { user, password: password ?? undefined }
    },
  }
}

/** `undefined` for what can be no ACL token. */
export function toSealed(token: string): Sealed | undefined {
  if (!token.startsWith(PREFIX) || token.length > MAX_CHARS) return undefined
  const encoded = token.slice(PREFIX.length)
  const bytes = Buffer.from(encoded, 'base64url')
  // Other characters would be passed over, and so would some bits of the last one: a token is one text alone.
  if (bytes.toString('base64url') !== encoded) return undefined
  if (bytes.length <= NONCE_BYTES + TAG_BYTES) return undefined
  return {
    nonce: bytes.subarray(0, NONCE_BYTES),
    text: bytes.subarray(NONCE_BYTES, -TAG_BYTES),
    tag: bytes.subarray(-TAG_BYTES),
  }
}
