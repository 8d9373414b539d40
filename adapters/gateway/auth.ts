import { createHash, timingSafeEqual } from 'node:crypto'
import { describe, InvalidOption } from '../../src/errors.ts'
import { Refusal } from './refusal.ts'

/** What an `Authorization` header can carry: printable ASCII without spaces. */
const TOKEN = /^[\x21-\x7e]+$/
const CREDENTIALS = /^Bearer +([^ ]+) *$/i

/**
 * Lets a request through if it carries one of the tokens, as a bearer or as `_token` in the query.
 *
 * Digests are compared, each of them and all of their bytes, so the time tells neither a token's length nor its beginning.
 * By `node:crypto`, because Node's WebCrypto digests on its thread pool, which costs more than the whole request.
 */
export function createGuard(tokens: readonly string[]): (request: Request, query: string) => void {
  const digests = checkTokens(tokens).map(sha256)
  return (request, query) => {
    const token = tokenOf(request, query)
    if (token === undefined || !isAmong(sha256(token), digests))
      throw new Refusal(401, 'WRONGPASS invalid or missing auth token')
  }
}

/** The token that a request carries, right or wrong. */
export function tokenOf(request: Request, query: string): string | undefined {
  return CREDENTIALS.exec(request.headers.get('authorization') ?? '')?.[1] ?? tokenOfQuery(query)
}

function tokenOfQuery(query: string): string | undefined {
  return query ? (new URLSearchParams(query).get('_token') ?? undefined) : undefined
}

function isAmong(digest: Buffer, digests: readonly Buffer[]): boolean {
  let found = 0
  for (const other of digests) found |= Number(timingSafeEqual(digest, other))
  return found === 1
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function checkTokens(tokens: readonly string[]): readonly string[] {
  if (!Array.isArray(tokens) || tokens.length === 0)
    throw new InvalidOption('tokens', 'one token or more', describe(tokens))
  for (const [at, token] of tokens.entries())
    if (typeof token !== 'string' || !TOKEN.test(token))
      throw new InvalidOption(`tokens[${at}]`, 'printable ASCII without spaces', describe(token))
  return tokens
}
