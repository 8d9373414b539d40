import { fileURLToPath } from 'node:url'
import { defineTask, exponential, fixed } from 'tq-edge'
import * as v from 'valibot'
import { type Digest, digest, errorOf, folderSource, httpSource } from './digest.ts'

const CHECKOUT = fileURLToPath(new URL('./checkout', import.meta.url))
/** GitHub calls before its mirrors have the commit. Staged here for the first attempts on the folder, so that you see retries. */
const STAGED_FAILURES = 2

const sourceUrl = process.env.PUSH_DIGEST_URL
const source = sourceUrl ? httpSource(sourceUrl) : folderSource(CHECKOUT)

/** The part of a `push` event that is used; the rest of the payload passes. */
const pushEvent = v.looseObject({
  ref: v.string(),
  after: v.string(),
  commits: v.array(
    v.looseObject({ added: v.array(v.string()), removed: v.array(v.string()), modified: v.array(v.string()) }),
  ),
  repository: v.looseObject({ full_name: v.string() }),
})

export const receivePush = defineTask({
  name: 'push.received',
  input: pushEvent,
  retry: { maxAttempts: 6, backoff: exponential({ baseMs: 500, maxMs: 60_000, jitter: 'equal' }) },
  timeoutMs: 60_000,
  async run({ ref, after, commits, repository }, job) {
    if (!sourceUrl && job.attempt <= STAGED_FAILURES)
      throw new Error(`expected commit ${after.slice(0, 7)} in the checkout, got an older one (staged)`)
    const paths = filesLeftBy(commits)
    const files: Digest[] = []
    for (const path of paths) {
      const content = await source({ repository: repository.full_name, commit: after, path }, job.signal)
      files.push(await digest(path, content))
      job.progress({ done: files.length, of: paths.length, path })
    }
    return { repository: repository.full_name, ref, commit: after, files }
  },
})

/** What the commits have added or modified and not removed again. */
function filesLeftBy(commits: v.InferOutput<typeof pushEvent>['commits']): string[] {
  const paths = new Set<string>()
  for (const { added, modified, removed } of commits) {
    for (const path of [...added, ...modified]) paths.add(path)
    for (const path of removed) paths.delete(path)
  }
  return [...paths].sort()
}

export const checkUrl = defineTask({
  name: 'url.check',
  input: v.object({ url: v.pipe(v.string(), v.url()) }),
  retry: { maxAttempts: 2, backoff: fixed({ delayMs: 1_000 }) },
  timeoutMs: 3_000,
  // Checks come every few seconds: what they leave need not stay for long.
  keepResultMs: 60_000,
  keepFailedMs: 600_000,
  async run({ url }, job) {
    const response = await fetch(url, { signal: job.signal })
    await response.body?.cancel()
    if (!response.ok) throw errorOf(response, url)
    return { url, status: response.status }
  },
})
