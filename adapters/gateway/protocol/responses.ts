import { ErrorReply } from '@redis/client'
import type { Clock } from '../../../src/clock.ts'
import type { Body, Format } from './encoding.ts'
import type { Refusal } from './refusal.ts'

/** Says that an answer is the one to an earlier request. */
export const REPLAYED = { 'idempotent-replayed': 'true' }

/** What an answer is on HTTP: a status, and headers that every one has. */
export interface Responses {
  answered(body: Body, format: Format, isReplay: boolean): Response
  streamed(body: ReadableStream<Uint8Array>, request: Request): Promise<Response>
  refused(refusal: Refusal, format: Format): Response
}

export function createResponses(clock: Clock): Responses {
  const started = clock.now().toString(36)
  let made = 0

  /** Clients echo the last one; it has to differ from reply to reply, and says nothing more here. */
  const syncToken = () => `${started}-${(made++).toString(36)}`

  return {
    answered(body, { contentType }, isReplay) {
      const headers = { 'content-type': contentType, 'upstash-sync-token': syncToken() }
      return new Response(body, { headers: isReplay ? { ...headers, ...REPLAYED } : headers })
    },
    async streamed(body, { method }) {
      // Nobody would read it, nor end it.
      if (method === 'HEAD') await body.cancel()
      return new Response(method === 'HEAD' ? null : body, {
        headers: {
          'content-type': 'text/event-stream',
          'upstash-sync-token': syncToken(),
          'cache-control': 'no-cache, no-transform',
        },
      })
    },
    refused({ status, message, headers }, { contentType, one }) {
      return new Response(one(new ErrorReply(message)), {
        status,
        headers: { 'content-type': contentType, 'upstash-sync-token': syncToken(), ...headers },
      })
    },
  }
}
