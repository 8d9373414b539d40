import { join } from 'node:path'
import { $ } from 'bun'

/** A key and a certificate for this machine that nobody has signed but itself. */
export interface Certificate {
  readonly certPath: string
  readonly keyPath: string
}

/** Makes one in a folder, by openssl. */
export async function createCertificate(folder: string, name = 'own'): Promise<Certificate> {
  const certPath = join(folder, `${name}-cert.pem`)
  const keyPath = join(folder, `${name}-key.pem`)
  await $`openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout ${keyPath} -out ${certPath} -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1`.quiet()
  return { certPath, keyPath }
}
