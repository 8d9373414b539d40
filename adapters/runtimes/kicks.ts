import type { Clock } from '../../src/clock.ts'
import { type OnEvent, withoutThrowing } from '../../src/events.ts'
import { refusal } from '../../src/http/problem.ts'
import { KICK_HEADER, sendKick, verifyKick } from '../../src/kick.ts'
import type { DrainReport } from '../../src/worker/drain.ts'
import { requiredVariable, secretsOf, type Variables } from './variables.ts'

export interface KickAgain {
  /** Of this very worker's drain: `https://.../v1/drain`, with the base path where there is one. */
  readonly url: string
  /** So many in a row at most. Default 10. */
  readonly max?: number
  /** Sends it, such as `variables.SELF.fetch` of a service binding. Default the platform's own. */
  readonly fetch?: (request: Request, variables: Variables) => Promise<Response>
}

export interface KicksOptions {
  readonly basePath: string
  readonly kickAgain: KickAgain | undefined
  readonly clock: Clock
  readonly onEvent: OnEvent | undefined
}

/** The kicks that an edge worker is sent, and those that it sends itself. */
export interface Kicks {
  /** Throws `InvalidOption` for a secret that is missing or too short. */
  check(variables: Variables): void
  /** How many kicks in a row have led to this one, null for any other request. Throws `RefusedRequest` for one that nobody has signed. */
  read(request: Request, variables: Variables): Promise<number | null>
  /** Asks for the next drain, where the last one has left work behind: that one's time is over. */
  again(report: DrainReport, variables: Variables, inARow: number): Promise<void>
}

export function createKicks({ basePath, kickAgain, clock, onEvent }: KicksOptions): Kicks {
  function secretsFor(variables: Variables): readonly string[] {
    if (kickAgain) requiredVariable(variables, 'TQ_KICK_SECRET', 'the secret that signs kicks')
    return secretsOf(variables, 'TQ_KICK_SECRET')
  }

  return {
    check: (variables) => void secretsFor(variables),

    async read({ method, url, headers }, variables) {
      const secrets = secretsFor(variables)
      if (secrets.length === 0 || method !== 'POST' || new URL(url).pathname !== `${basePath}/v1/drain`) return null
      const inARow = await verifyKick(secrets, headers.get(KICK_HEADER), clock.now())
      if (inARow !== null) return inARow
      throw refusal(
        'unsigned',
        `expected the header "${KICK_HEADER}", signed less than 5 minutes ago, got another or none`,
      )
    },

    // Bounded twice: what nobody here can run, and what has no end, waits for the next cron trigger.
    async again({ left, ran }, variables, inARow) {
      if (!kickAgain || !left || ran === 0 || inARow >= (kickAgain.max ?? 10)) return
      const { url, fetch } = kickAgain
      const secret = String(secretsFor(variables)[0])
      const sent = fetch && ((request: Request) => fetch(request, variables))
      await sendKick({ url, secret, fetch: sent, clock, onEvent: withoutThrowing(onEvent) }, inARow + 1)
    },
  }
}
