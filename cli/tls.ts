/** The files that TLS is served with, checked before anybody calls: what is wrong with them a server says late, or to its callers. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { TlsFiles } from '../adapters/runtimes/listen.ts'
import { UsageError } from './errors.ts'

export interface TlsPaths {
  readonly cert: string | undefined
  readonly key: string | undefined
}

/** Undefined where no files are named. Throws `UsageError` for one without the other, and for what TLS cannot be served with. */
export function readTls({ cert, key }: TlsPaths): TlsFiles | undefined {
  if (cert === undefined && key === undefined) return undefined
  if (cert === undefined || key === undefined)
    throw new UsageError(
      `expected --tls-cert and --tls-key, got ${cert === undefined ? '--tls-key' : '--tls-cert'} alone`,
    )
  const files = { cert: read('--tls-cert', cert), key: read('--tls-key', key) }
  const certificate = parse(`--tls-cert to be a certificate as PEM, got ${cert}`, () => new X509Certificate(files.cert))
  const own = parse<KeyObject>(`--tls-key to be a private key as PEM, without a passphrase, got ${key}`, () =>
    createPrivateKey(files.key),
  )
  if (!certificate.checkPrivateKey(own))
    throw new UsageError(
      `expected --tls-key to be the key of the first certificate in ${cert}, got ${key}, which is that of another`,
    )
  return files
}

/** Certificates to trust. Throws `UsageError` for what holds none. */
export function readCa(flag: string, path: string): string {
  const pem = read(flag, path)
  parse(`${flag} to be certificates as PEM, got ${path}`, () => new X509Certificate(pem))
  return pem
}

function read(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    throw new UsageError(`expected ${flag} to be a file that can be read, got ${path} (${code})`)
  }
}

/** The library's own words say nothing to whoever has named the file. */
function parse<T>(expected: string, make: () => T): T {
  try {
    return make()
  } catch (cause) {
    throw new UsageError(`expected ${expected}, which is none`, { cause })
  }
}
