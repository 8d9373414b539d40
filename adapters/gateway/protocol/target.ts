import { BASE64, type Format, PLAIN } from './encoding.ts'
import { RESP2 } from './resp2.ts'

/** What a request's url says. */
export interface Target {
  readonly path: string
  readonly query: string
}

export const MULTI_EXEC = 'multi-exec'

/** By hand: a URL object costs more than everything else that is done to a small request. */
export function toTarget(url: string): Target {
  const start = url.indexOf('/', url.indexOf('//') + 2)
  if (start === -1) return { path: '', query: '' }
  const mark = url.indexOf('?', start)
  return mark === -1
    ? { path: url.slice(start + 1), query: '' }
    : { path: url.slice(start + 1, mark), query: url.slice(mark) }
}

/** What the response is to be written in; `undefined` for what there is not. A transaction's is always JSON. */
export function formatOf(headers: Headers, { path }: Target): Format | undefined {
  const base64 = headers.get('upstash-encoding') === 'base64'
  const asked = headers.get('upstash-response-format') ?? 'json'
  if (asked === 'json') return base64 ? BASE64 : PLAIN
  if (asked !== 'resp2' || base64) return undefined
  return path === MULTI_EXEC ? PLAIN : RESP2
}
