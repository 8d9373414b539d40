/** Holds what the API answers to what its document says. */
import { expect } from 'bun:test'
import Ajv, { type ValidateFunction } from 'ajv/dist/2020.js'
import {
  createDocument,
  type Document,
  type OperationObject,
  type Parameter,
  type ResponseObject,
} from '../../src/http/openapi/document.ts'
import type { Parts } from '../../src/http/openapi/operations.ts'
import type { Api } from '../../src/http/routes.ts'

export interface Call {
  readonly method: string
  readonly path: string
  readonly operation: OperationObject
}

export function callsOf({ paths }: Document): readonly Call[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
}

/** What a call's request is made of: a value for each parameter that it has. */
export interface Given {
  readonly values: (parameter: Parameter) => unknown
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** The request that a client makes which goes by the document alone. */
export function toRequest({ method, path, operation }: Call, { values, body, headers: more }: Given): Request {
  const of = (place: Parameter['in']) =>
    operation.parameters
      .filter((parameter) => parameter.in === place)
      .map((parameter): [string, unknown] => [parameter.name, values(parameter)])
      .filter(([, value]) => value !== undefined)
  const given = Object.fromEntries(of('path'))
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(given[name])))
  const query = new URLSearchParams(of('query').map(([name, value]) => [name, String(value)]))
  return new Request(`http://localhost${filled}${query.size > 0 ? `?${query}` : ''}`, {
    method,
    headers: {
      ...Object.fromEntries(of('header').map(([name, value]) => [name, String(value)])),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...more,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
}

/** Throws for an answer that the document does not have: its status, its content type, a header, a field or a kind of problem. */
export type Check = (call: Call, response: Response) => Promise<string>

export function createCheck(document: Document): Check {
  const ajv = new Ajv({ strict: false, validateFormats: false })
  ajv.addSchema(closed(document) as object, 'document')
  const at = (parts: readonly string[]) =>
    `document#/${parts.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`

  const validators = new Map<string, ValidateFunction>()
  function validatorOf($ref: string): ValidateFunction {
    const validate = validators.get($ref) ?? ajv.compile({ $ref })
    validators.set($ref, validate)
    return validate
  }

  return async ({ method, path, operation: { operationId, responses } }, response) => {
    const status = String(response.status)
    const where = `${operationId} ${status}`
    const found = responses[status]
    const type = response.headers.get('Content-Type')?.split(';')[0]
    // A stream has no end, and its events are no JSON.
    const text = type === 'text/event-stream' ? '' : await response.text()
    if (type === 'text/event-stream') await response.body?.cancel()
    expect(`${where} ${found ? 'documented' : `not documented: ${text}`}`).toBe(`${where} documented`)
    const name = found && '$ref' in found ? found.$ref.split('/').pop() : undefined
    const documented = (name === undefined ? found : document.components.responses[name]) as ResponseObject
    expect([where, type ?? 'none']).toEqual([where, Object.keys(documented.content ?? {})[0] ?? 'none'])
    for (const header of ['ETag', 'Location', 'Retry-After', 'WWW-Authenticate'])
      if (response.headers.has(header))
        expect([where, Object.keys(documented.headers ?? {})]).toEqual([where, expect.arrayContaining([header])])
    if (type === undefined || type === 'text/event-stream') return text
    const place =
      name === undefined
        ? ['paths', path, method.toLowerCase(), 'responses', status]
        : ['components', 'responses', name]
    const validate = validatorOf(at([...place, 'content', type, 'schema']))
    validate(JSON.parse(text))
    expect([where, text, validate.errors]).toEqual([where, text, null])
    return text
  }
}

/** The same document, by which an object has no field that is not in it: readers let those pass, and writers must not add any unsaid. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed)
  if (typeof node !== 'object' || node === null) return node
  const { properties, $ref, additionalProperties } = node as Record<string, unknown>
  const same = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]))
  const isObject = $ref === undefined && additionalProperties === undefined && Object.keys(properties ?? {}).length > 0
  return isObject ? { ...same, additionalProperties: false } : same
}

/** By the parts that an API has; each is made once. */
const checks = new Map<string, Promise<{ readonly calls: readonly Call[]; readonly check: Check }>>()

async function makeCheck(parts: Parts) {
  const document = JSON.parse(JSON.stringify(await createDocument(parts))) as Document
  return { calls: callsOf(document), check: createCheck(document) }
}

/** From here on every answer to `request` is held to the document: what a test did not expect of it fails that test. */
export function hold(api: Api, parts: Parts, basePath = ''): void {
  const { request } = api
  const key = JSON.stringify(parts)
  api.request = async (...args) => {
    const [input, init] = args
    const answer = await request(...args)
    const made = checks.get(key) ?? makeCheck(parts)
    checks.set(key, made)
    const { calls, check } = await made
    const { pathname } = new URL(input instanceof Request ? input.url : input, 'http://localhost')
    const method = init?.method ?? (input instanceof Request ? input.method : 'GET')
    const call = pathname.startsWith(basePath) && callAt(calls, method, pathname.slice(basePath.length))
    const isStream = answer.headers.get('Content-Type') === 'text/event-stream'
    if (call && !isStream) await check(call, answer.clone())
    return answer
  }
}

/** Where a path fits two, the one without parameters is meant. */
function callAt(calls: readonly Call[], method: string, pathname: string): Call | undefined {
  const fitting = calls.filter(
    (call) => call.method === method && new RegExp(`^${call.path.replace(/\{\w+\}/g, '[^/]+')}$`).test(pathname),
  )
  return fitting.find(({ path }) => path === pathname) ?? fitting[0]
}
