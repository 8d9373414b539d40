/**
 * One app for every runtime: nothing but Web APIs, so this very file runs on Node, Bun, Deno and Cloudflare Workers.
 * The tests run it on each of them, byte for byte (docs/runtimes.md).
 */
import { defineApp, defineTask, fixed, NonRetryable } from 'tq-edge'
import { every } from 'tq-edge/scheduler'
import * as v from 'valibot'

/** What a file is known by: the SHA-256 of its text. */
export const fingerprint = defineTask({
  name: 'fingerprint',
  input: v.object({ text: v.string() }),
  async run({ text }) {
    const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
    return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  },
})

/** A page's status; a server that has a bad moment is asked again, a page that is not there is not. */
export const checkPage = defineTask({
  name: 'page.check',
  input: v.object({ url: v.pipe(v.string(), v.url()) }),
  retry: { maxAttempts: 3, backoff: fixed({ delayMs: 10 }) },
  timeoutMs: 10_000,
  async run({ url }, job) {
    const { status } = await fetch(url, { signal: job.signal })
    if (status === 404) throw new NonRetryable('the page is not there')
    if (status >= 500) throw new Error(`the server answered ${status}`)
    return { status, attempt: job.attempt }
  },
})

/** Never ends by itself: its time limit ends it. */
export const wait = defineTask({
  name: 'wait',
  retry: { maxAttempts: 1 },
  timeoutMs: 50,
  run: (_, job) =>
    new Promise<never>((_, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason))),
})

export default defineApp({
  name: 'anywhere',
  tasks: [fingerprint, checkPage, wait],
  schedules: [every('fingerprints', '1s', { task: fingerprint, input: { text: 'tick' } })],
})
