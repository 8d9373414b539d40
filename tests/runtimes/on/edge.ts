import { KICK_HEADER, signKick } from '../../../src/kick.ts'
import { expectEqual } from '../runtime.ts'

export const TOKEN = 'a-token-for-tests'
export const KICK_SECRET = 'a-secret-for-tests'

const HEADERS = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }

export interface Sample {
  readonly task: string
  readonly input: unknown
  /** What its result begins with. */
  readonly begins: string
}

/** Of the app in `examples/anywhere`. */
const FINGERPRINT: Sample = { task: 'fingerprint', input: { text: 'abc' }, begins: 'ba7816bf' }
/** Of the app that `tq init` writes. */
export const GREET: Sample = { task: 'greet', input: { name: 'Ada' }, begins: 'Hello, Ada' }

/** A job is taken at that address, and its result read there; `before` is what makes it run, where the answer to it does not. */
export async function takesJobs(
  url: string,
  before: (id: string) => Promise<unknown> = async () => {},
  { task, input, begins }: Sample = FINGERPRINT,
): Promise<void> {
  const body = JSON.stringify({ task, input })
  const accepted = await fetch(`${url}/v1/jobs`, { method: 'POST', headers: HEADERS, body })
  expectEqual(accepted.status, 202)
  const { id } = (await accepted.json()) as { id: string }
  await before(id)
  const answer = await fetch(`${url}/v1/jobs/${id}/result?wait=10`, { headers: HEADERS })
  const { state, result } = (await answer.json()) as { state: string; result: string }
  expectEqual([state, String(result).slice(0, begins.length)], ['succeeded', begins])
}

/** Asks whoever serves at that address to drain. */
export async function kick(url: string): Promise<void> {
  const headers = { [KICK_HEADER]: await signKick(KICK_SECRET, Date.now(), 0) }
  expectEqual((await fetch(`${url}/v1/drain`, { method: 'POST', headers })).status, 202)
  expectEqual((await fetch(`${url}/v1/drain`, { method: 'POST' })).status, 403)
}
