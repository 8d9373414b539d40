import { type Bytes, sha256, toBase64Url, toBytes, toHex } from '../hmac.ts'

/** A bearer token, and its SHA-256 in hex: all that whoever serves needs to know it. */
export interface Secret {
  readonly token: string
  readonly hash: string
}

/** By what it begins with, whoever looks for secrets in code finds it. */
export async function createSecret(random: Bytes): Promise<Secret> {
  const token = `tq_${toBase64Url(random)}`
  return { token, hash: toHex(await sha256(toBytes(token))) }
}
