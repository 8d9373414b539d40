import { readFile, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { NonRetryable, RetryAfter } from 'tq-edge'

export interface FileRef {
  /** `owner/name`. */
  readonly repository: string
  readonly commit: string
  readonly path: string
}

/** Where the files of a commit are read from. */
export type Source = (file: FileRef, signal: AbortSignal) => Promise<Uint8Array<ArrayBuffer>>

export interface Digest {
  readonly path: string
  readonly sha256: string
  readonly bytes: number
  readonly lines: number
}

/** Reads from a checkout. Fails for good for a path that is not there, or that leads out of the folder: it came over the network. */
export function folderSource(folder: string): Source {
  return async ({ path }) => {
    const root = await realpath(folder)
    const file = await realpath(join(root, path)).catch(() => null)
    if (file === null) throw new NonRetryable(`expected the file ${path} in the checkout, got none`)
    if (!file.startsWith(root + sep)) throw new NonRetryable(`expected a path inside the checkout, got ${path}`)
    return new Uint8Array(await readFile(file))
  }
}

/** Reads over HTTP from `{baseUrl}/{repository}/{commit}/{path}`, as raw.githubusercontent.com serves it. */
export function httpSource(baseUrl: string): Source {
  return async ({ repository, commit, path }, signal) => {
    const url = `${baseUrl.replace(/\/+$/, '')}/${[repository, commit, path].map(toUrlPath).join('/')}`
    const response = await fetch(url, { signal })
    if (response.ok) return new Uint8Array(await response.arrayBuffer())
    throw errorOf(response, url)
  }
}

/** All of it came over the network: a segment of dots would lead to another repository, or out of all of them. */
function toUrlPath(path: string): string {
  const segments = path.split('/')
  if (segments.some((segment) => /^\.{0,2}$/.test(segment)))
    throw new NonRetryable(`expected a path without empty or dot segments, got ${path}`)
  return segments.map(encodeURIComponent).join('/')
}

/** What another try may mend is an ordinary error; the server's own wait is kept to; the rest fails for good. */
export function errorOf({ status, headers }: Response, url: string): Error {
  const error = new Error(`expected a 2xx answer from ${url}, got ${status}`)
  const waitMs = Number(headers.get('retry-after')) * 1_000
  if (waitMs > 0) return new RetryAfter(waitMs, { cause: error })
  return status >= 500 || status === 429 ? error : new NonRetryable(error.message)
}

export async function digest(path: string, content: Uint8Array<ArrayBuffer>): Promise<Digest> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', content))
  return { path, sha256: toHex(hash), bytes: content.length, lines: countLines(content) }
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** A last line counts without its line feed too. */
function countLines(content: Uint8Array): number {
  const LINE_FEED = 10
  const feeds = content.reduce((count, byte) => count + Number(byte === LINE_FEED), 0)
  return feeds + Number(content.length > 0 && content.at(-1) !== LINE_FEED)
}
