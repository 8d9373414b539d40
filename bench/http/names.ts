import * as v from 'valibot'
import { defineApp, defineTask } from '../../src/index.ts'

export const TOKEN = 'a-long-random-token-for-the-bench'
/** The server's own file. */
export const SERVER = new URL('./server.ts', import.meta.url)
export const PATH = '/v1/tasks/send'
export const INPUT = { to: 'ada@example.com', subject: 'Hello', copies: 2, text: 'x'.repeat(40) }

const input = v.object({ to: v.string(), subject: v.string(), copies: v.number(), text: v.string() })
export const app = defineApp({ tasks: [defineTask({ name: 'send', input, run: () => {} })] })

/** What serves: the API, a bare route that has Hono check the token, and one that compares it as a text. */
export type Side = 'api' | 'bare' | 'text'

/** What an API has told of its broker by its end. */
export interface Shared {
  readonly jobs: number
  readonly calls: number
}
