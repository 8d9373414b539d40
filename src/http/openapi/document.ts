/**
 * The OpenAPI document of the API, from the table of its operations, the schemas that check what callers send, the table of scopes and that
 * of problems.
 *
 * @module
 */
import type { GenericSchema } from 'valibot'
import { TYPE_BASE } from '../problem.ts'
import { PARAMETERS, PATH_PARAMETERS, withDescriptions } from './glossary.ts'
import { REQUEST_HEADERS, type RequestHeader, toHeaders } from './headers.ts'
import { createSchemas, type JsonSchema, type ParametersSchema } from './json-schema.ts'
import { NAMED } from './named.ts'
import { createNeedOf, type Need, type NeedOf } from './needs.ts'
import type { Answer, Body, Operation } from './operation.ts'
import { OPERATIONS, type Parts, TAGS } from './operations.ts'
import { problemResponses, problemsOf, toProblemReferences } from './problems.ts'

/** An OpenAPI 3.1 document, as far as this one goes. */
export interface Document {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly servers?: readonly { readonly url: string }[]
  readonly tags: readonly { readonly name: string; readonly description: string }[]
  readonly paths: Readonly<Record<string, PathItem>>
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>
    readonly responses: Readonly<Record<string, ResponseObject>>
    readonly securitySchemes: Readonly<Record<string, object>>
  }
}

export type PathItem = { readonly [Method in string]: OperationObject }

export interface OperationObject {
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly tags: readonly string[]
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
  readonly parameters: readonly Parameter[]
  readonly requestBody?: {
    readonly required: boolean
    readonly content: Readonly<Record<string, Media>>
  }
  readonly responses: Readonly<Record<string, ResponseObject | Reference>>
}

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly description: string
  readonly schema: JsonSchema
  readonly example?: unknown
  readonly explode?: boolean
}

export interface Media {
  readonly schema: JsonSchema
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>
}

/** To one of `components`. */
export interface Reference {
  readonly $ref: string
}

export interface ResponseObject {
  readonly description: string
  readonly headers?: ReturnType<typeof toHeaders>
  readonly content?: Readonly<Record<string, Media>>
}

const schemas = once(() =>
  createSchemas(NAMED, schemasOf(Object.values(OPERATIONS).flatMap((at) => Object.values(at)))),
)

function schemasOf(operations: readonly Operation[]): readonly GenericSchema[] {
  const places = operations.flatMap(({ body, answers }) => [body, ...Object.values(answers)])
  return places.flatMap((place) => place?.schema ?? [])
}

const DESCRIPTION = `Jobs, queues and schedules over HTTP. Every refusal is \`application/problem+json\` (RFC 9457): programs branch on
its \`type\`, \`${TYPE_BASE}<kind>\`. Each operation names the scope that a token needs; \`admin\` allows everything. Where the
server limits rates, the headers \`RateLimit\` and \`RateLimit-Policy\` of an answer say how the limits stand.`

/** The document of an API with these parts; its `servers` are for whoever knows where it is served. */
export async function createDocument(parts: Parts): Promise<Document> {
  const tags = TAGS.filter(({ part }) => part === undefined || parts[part])
  const paths: Record<string, PathItem> = {}
  const needOf = createNeedOf()
  for (const [path, methods] of Object.entries(OPERATIONS)) {
    const tag = tags.find(({ paths: begins }) => begins.some((begin) => path.startsWith(begin)))
    if (tag) paths[toTemplate(path)] = await toPathItem(tag.name, path, methods, needOf)
  }
  return {
    openapi: '3.1.1',
    info: { title: 'tq', version: '1', description: DESCRIPTION },
    tags: tags.map(({ name, description }) => ({ name, description })),
    paths,
    components: {
      schemas: Object.fromEntries(
        Object.entries(schemas().named).map(([name, schema]) => [name, withDescriptions(schema)]),
      ),
      responses: problemResponses(paths),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A token with the scope that the operation names.' },
        ...(parts.links && {
          link: {
            type: 'apiKey',
            in: 'query',
            name: 'link',
            description: 'The signed text of a link, from `createLink`.',
          },
        }),
      },
    },
  }
}

const toTemplate = (path: string) => path.replace(/:(\w+)/g, '{$1}')

async function toPathItem(
  tag: string,
  path: string,
  methods: Readonly<Record<string, Operation>>,
  needOf: NeedOf,
): Promise<PathItem> {
  const entries = Object.entries(methods).map(async ([key, operation]) => {
    const method = key.slice(1)
    const need = await needOf(method.toUpperCase(), path)
    return [method, toOperationObject(tag, toTemplate(path), operation, need)] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

function toOperationObject(tag: string, path: string, operation: Operation, need: Need): OperationObject {
  const { id, summary, description, body, answers } = operation
  return {
    operationId: id,
    summary,
    ...(description !== undefined && { description }),
    tags: [tag],
    security: need === null ? [] : need === 'link' ? [{ link: [] }] : [{ token: [need] }],
    parameters: toParameters(path, operation),
    ...(body && { requestBody: toRequestBody(body) }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, toResponse(answer as Answer)])),
      ...toProblemReferences(problemsOf(operation, need)),
    },
  }
}

function toParameters(path: string, { query, headers = [] }: Operation): readonly Parameter[] {
  return [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => toPathParameter(name as keyof typeof PATH_PARAMETERS)),
    ...(query ? toQueryParameters(schemas().ofParameters(query)) : []),
    ...headers.map(toHeaderParameter),
  ]
}

function toPathParameter(name: keyof typeof PATH_PARAMETERS): Parameter {
  return { name, in: 'path', required: true, ...PATH_PARAMETERS[name], schema: { type: 'string', minLength: 1 } }
}

/** But for the link, which stands for a token. */
function toQueryParameters({ properties, required }: ParametersSchema): readonly Parameter[] {
  const own = Object.entries(properties).filter(([name]) => name !== 'link')
  return own.map(([name, { default: _, ...schema }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    ...describe(name, schema),
    schema,
  }))
}

/** Of several values, what some take one of: each in a parameter of its own, or all in one with commas between. */
function describe(name: string, { type }: JsonSchema): Pick<Parameter, 'description' | 'example' | 'explode'> {
  const { repeated = false, ...described } = PARAMETERS[name] ?? { description: '' }
  if (type !== 'array') return described
  return { ...described, explode: repeated, ...(repeated && { example: [described.example] }) }
}

function toHeaderParameter(name: RequestHeader): Parameter {
  return { name, in: 'header', required: false, ...REQUEST_HEADERS[name], schema: { type: 'string' } }
}

function toRequestBody({ schema, required = false, examples }: Body): OperationObject['requestBody'] & object {
  const values = Object.entries(examples).map(([name, value]) => [name, { value }])
  const json = { schema: schema ? withDescriptions(schemas().of(schema)) : {}, examples: Object.fromEntries(values) }
  return { required, content: { 'application/json': json } }
}

function toResponse({ summary, schema, type = 'application/json', headers = [] }: Answer): ResponseObject {
  return {
    description: summary,
    ...(headers.length > 0 && { headers: toHeaders(headers) }),
    ...(schema && { content: { [type]: { schema: withDescriptions(schemas().of(schema)) } } }),
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
