/** What calls and answers say in their headers. */

interface Header {
  readonly description: string
  readonly example: string
}

export const REQUEST_HEADERS = {
  'Idempotency-Key': {
    description:
      'Of your own making, in quotes: sent again under it, the same request does nothing more and is answered as the first one.',
    example: '"8e03978e-40d5-43e8-bc93-6894a57f9324"',
  },
  'If-Match': {
    description: 'The ETag that was seen: it is done only where that is so still, else 412.',
    example: '*',
  },
  'If-None-Match': {
    description:
      'The ETag that was seen: where it is so still the answer has no body. For a PUT `*`: only where there is none.',
    example: '*',
  },
  'Last-Event-ID': {
    description: 'The last event that was received: only what has changed since is told.',
    example: '0',
  },
  Prefer: { description: '`wait=<seconds>`, as `wait` in the query.', example: 'wait=0' },
} as const satisfies Record<string, Header>

export const RESPONSE_HEADERS = {
  ETag: { description: 'Changes with what is told: for `If-Match` and `If-None-Match`.', example: '"1"' },
  'Idempotent-Replayed': {
    description: '`true` where all was done already, by a request under the same `Idempotency-Key`.',
    example: 'true',
  },
  Location: { description: 'Where the job is told of.', example: '/v1/jobs/welcome-ada' },
  'Retry-After': { description: 'Seconds after which to ask again.', example: '10' },
  'WWW-Authenticate': { description: 'What is wanted of a token.', example: 'Bearer realm="tq"' },
} as const satisfies Record<string, Header>

export type RequestHeader = keyof typeof REQUEST_HEADERS
export type ResponseHeader = keyof typeof RESPONSE_HEADERS

export function toHeaders(names: readonly ResponseHeader[]): Readonly<Record<string, object>> {
  return Object.fromEntries(names.map((name) => [name, { ...RESPONSE_HEADERS[name], schema: { type: 'string' } }]))
}
