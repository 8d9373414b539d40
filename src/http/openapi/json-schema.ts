/**
 * JSON Schema of the schemas that validate, so that the document says what is checked and nothing else.
 *
 * @module
 */
import { type ConversionConfig, toJsonSchema, toJsonSchemaDefs } from '@valibot/to-json-schema'
import type * as v from 'valibot'

/** Draft 2020-12, as OpenAPI 3.1 has it. */
export type JsonSchema = { readonly [Keyword in string]: unknown }

/** What is checked by code alone is left out: a document that says less than is checked is still true. */
const CONFIG: ConversionConfig = { target: 'draft-2020-12', errorMode: 'ignore' }

export interface Schemas {
  /** What goes into `components`. */
  readonly named: Readonly<Record<string, JsonSchema>>
  /** Of one of the others, or a reference to one that has a name. */
  of(schema: v.GenericSchema): JsonSchema
  /** Of the parameters of a query, as an object: as what they are read as, not as the texts that they are. */
  ofParameters(schema: v.GenericSchema): ParametersSchema
}

export interface ParametersSchema {
  readonly properties: Readonly<Record<string, JsonSchema>>
  readonly required: readonly string[]
}

/** All at once: the library would convert those with a name anew for each of the others. */
export function createSchemas(
  byName: Readonly<Record<string, v.GenericSchema>>,
  others: readonly v.GenericSchema[],
): Schemas {
  const names = new Map(Object.entries(byName).map(([name, schema]) => [plain(schema), name]))
  const keys = new Map(names)
  for (const [at, schema] of others.map(plain).entries()) if (!keys.has(schema)) keys.set(schema, `other.${at}`)
  const definitions = Object.fromEntries([...keys].map(([schema, key]) => [key, schema]))
  const overrideRef = ({ referenceId }: { readonly referenceId: string }) => toReference(referenceId)
  const converted = toJsonSchemaDefs(definitions, { ...CONFIG, typeMode: 'input', overrideRef })
  const convertedOf = (key: string) => converted[key] as unknown as JsonSchema
  return {
    named: Object.fromEntries([...names.values()].map((name) => [name, convertedOf(name)])),
    of(schema) {
      const key = keys.get(plain(schema)) as string
      return names.has(plain(schema)) ? { $ref: toReference(key) } : convertedOf(key)
    },
    ofParameters: (schema) => toJsonSchema(schema, { ...CONFIG, typeMode: 'output' }) as unknown as ParametersSchema,
  }
}

export const toReference = (name: string): string => `#/components/schemas/${name}`

/** Of the input that a task takes, where its schema is one of valibot's. */
export function toTaskSchema(schema: v.GenericSchema): JsonSchema {
  return toJsonSchema(schema, { ...CONFIG, typeMode: 'input' }) as unknown as JsonSchema
}

/** The parts of a schema of valibot's that it is walked by. */
interface Node {
  readonly kind: string
  readonly type: string
  readonly pipe?: readonly Node[]
  readonly entries?: Readonly<Record<string, Node>>
  readonly item?: Node
  readonly items?: readonly Node[]
  readonly wrapped?: Node
  readonly options?: readonly (Node | string | number)[]
  readonly getter?: (input: unknown) => Node
}

const plainOf = new WeakMap<object, Node>()

/** The same, where a pipe that checks a list twice, first its length and then what is in it, checks it once. */
function plain(schema: v.GenericSchema): v.GenericSchema {
  return plainNode(schema as unknown as Node) as unknown as v.GenericSchema
}

function plainNode(node: Node): Node {
  const known = plainOf.get(node)
  if (known) return known
  const made = node.getter ? plainNode(node.getter(undefined)) : node.pipe ? plainPipe(node.pipe) : plainParts(node)
  plainOf.set(node, made)
  plainOf.set(made, made)
  return made
}

function plainPipe(pipe: readonly Node[]): Node {
  const items = flat(pipe)
  const end = items.findIndex(({ kind }) => kind === 'transformation')
  const before = end < 0 ? items : items.slice(0, end)
  const last = plainNode(before.findLast(({ kind }) => kind === 'schema') as Node)
  return { ...last, pipe: [last, ...before.filter(({ kind }) => kind === 'validation')] }
}

const flat = (pipe: readonly Node[]): readonly Node[] => pipe.flatMap((item) => (item.pipe ? flat(item.pipe) : [item]))

function plainParts(node: Node): Node {
  const { entries, item, items, wrapped, options } = node
  return {
    ...node,
    ...(entries && { entries: Object.fromEntries(Object.entries(entries).map(([key, at]) => [key, plainNode(at)])) }),
    ...(item && { item: plainNode(item) }),
    ...(items && { items: items.map(plainNode) }),
    ...(wrapped && { wrapped: plainNode(wrapped) }),
    ...(options && { options: options.map((option) => (typeof option === 'object' ? plainNode(option) : option)) }),
  }
}
