import { KINDS, type ProblemKind, TYPE_BASE } from '../problem.ts'
import type { PathItem, Reference, ResponseObject } from './document.ts'
import { type ResponseHeader, toHeaders } from './headers.ts'
import type { Need } from './needs.ts'
import type { Operation } from './operation.ts'

const OF_ALL: readonly ProblemKind[] = ['invalid-request', 'broker-unavailable', 'internal']
const OF_A_TOKEN: readonly ProblemKind[] = [
  'unauthorized',
  'forbidden',
  'cross-site',
  'too-many-failures',
  'rate-limited',
]
const OF_A_LINK: readonly ProblemKind[] = ['unsigned', 'too-many-failures', 'rate-limited']
const OF_A_BODY: readonly ProblemKind[] = [
  ...(['malformed-json', 'malformed-body', 'too-large', 'unsupported-media-type', 'body-read'] as const),
]

const OF_A_KEY: readonly ProblemKind[] = ['key-under-way', 'key-reused']

const HEADERS_OF_STATUS: { readonly [Status in number]?: readonly ResponseHeader[] } = {
  401: ['WWW-Authenticate'],
  403: ['WWW-Authenticate'],
  429: ['Retry-After'],
  503: ['Retry-After'],
}

const BASE = '#/components/responses/'

/** The kinds of problem that a call may be answered, each once. */
export function problemsOf({ body, headers = [], problems = [] }: Operation, need: Need): readonly ProblemKind[] {
  const ofNeed = need === null ? [] : need === 'link' ? OF_A_LINK : OF_A_TOKEN
  const ofKey = headers.includes('Idempotency-Key') ? OF_A_KEY : []
  return [...new Set([...OF_ALL, ...ofNeed, ...(body ? OF_A_BODY : []), ...ofKey, ...problems])]
}

/** By status, each to the answer that is named for the kinds that it may be of. */
export function toProblemReferences(kinds: readonly ProblemKind[]): Readonly<Record<string, Reference>> {
  const statuses = new Set(kinds.map((kind) => KINDS[kind].status))
  return Object.fromEntries(
    [...statuses].map((status) => [
      status,
      { $ref: BASE + kinds.filter((kind) => KINDS[kind].status === status).join('.') },
    ]),
  )
}

/** The answers that calls refer to. */
export function problemResponses(paths: Readonly<Record<string, PathItem>>): Readonly<Record<string, ResponseObject>> {
  const operations = Object.values(paths).flatMap((item) => Object.values(item))
  const responses = operations.flatMap((operation) => Object.values(operation.responses))
  const names = responses.flatMap((response) => ('$ref' in response ? [response.$ref.slice(BASE.length)] : []))
  return Object.fromEntries(
    [...new Set(names)].sort().map((name) => [name, toResponse(name.split('.') as ProblemKind[])]),
  )
}

function toResponse(kinds: readonly ProblemKind[]): ResponseObject {
  const ofStatus = HEADERS_OF_STATUS[KINDS[kinds[0] as ProblemKind].status]
  const headers = kinds.includes('key-under-way') ? (['Retry-After'] as const) : ofStatus
  const type = { enum: kinds.map((kind) => TYPE_BASE + kind) }
  return {
    description: kinds.map((kind) => KINDS[kind].title).join('. '),
    ...(headers && { headers: toHeaders(headers) }),
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem', properties: { type } } } },
  }
}
