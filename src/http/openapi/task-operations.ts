/** The calls that enqueue jobs of the app's own tasks, each with the JSON Schema of its input. */
import type { GenericSchema } from 'valibot'
import type { Task } from '../../task.ts'
import { toInputSchema } from '../tasks.ts'
import type { Document, Media, OperationObject, PathItem } from './document.ts'
import { type JsonSchema, toReference, toTaskSchema } from './json-schema.ts'

const TAG = { name: 'Tasks of this app', description: 'Enqueue jobs by the task, each with the input that it takes' }
const GENERAL = '/v1/tasks/{task}'

/** The same document with a call for each task. */
export function withTasks(document: Document, tasks: Iterable<Task>): Document {
  const general = document.paths[GENERAL]?.post as OperationObject
  const ids = new Set(Object.values(document.paths).flatMap((item) => Object.values(item).map((at) => at.operationId)))
  const paths: Record<string, PathItem> = {}
  const schemas: Record<string, JsonSchema> = {}
  for (const task of tasks) {
    const name = `Task.${encodeURIComponent(task.name).replaceAll('%', '_')}.Input`
    const schema = inputSchemaOf(task)
    const at = toReference(name)
    if (schema) schemas[name] = moved(schema, at) as JsonSchema
    paths[`/v1/tasks/${encodeURIComponent(task.name)}`] = {
      post: {
        ...general,
        operationId: operationId(task.name, ids),
        summary: `Enqueues a job of ${task.name}`,
        tags: [TAG.name],
        security: [{ token: [`enqueue:${task.name}`] }],
        parameters: general.parameters.filter((parameter) => parameter.in !== 'path'),
        requestBody: {
          required: schema !== null,
          content: { 'application/json': { schema: schema ? { $ref: at } : {}, examples: examplesOf(schema) } },
        },
      },
    }
  }
  return {
    ...document,
    tags: [TAG, ...document.tags],
    paths: { ...paths, ...document.paths },
    components: { ...document.components, schemas: { ...schemas, ...document.components.schemas } },
  }
}

/** As `GET /v1/tasks` tells it, and of a schema of valibot's also without a wrapper. */
function inputSchemaOf(task: Task): JsonSchema | null {
  const told = toInputSchema(task)
  if (told || task.schema?.['~standard'].vendor !== 'valibot') return told
  try {
    return toTaskSchema(task.schema as unknown as GenericSchema)
  } catch {
    return null
  }
}

/** Those that the schema has itself. */
function examplesOf(schema: JsonSchema | null): Media['examples'] & object {
  const values = Array.isArray(schema?.examples) ? schema.examples : []
  return Object.fromEntries(values.map((value, at) => [`example${at + 1}`, { value }]))
}

/** A name for generated clients that no other call has: `email.send` is `enqueueEmailSend`. */
function operationId(task: string, taken: Set<string>): string {
  const words = task.split(/[^A-Za-z0-9]+/).filter(Boolean)
  const name = `enqueue${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')}`
  let id = name
  for (let n = 2; taken.has(id); n++) id = `${name}${n}`
  taken.add(id)
  return id
}

/** Keywords that hold values, which may look like schemas; and those that hold schemas by names of somebody's choice. */
const VALUES: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples'])
const NAMES: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  'dependentSchemas',
  '$defs',
  'definitions',
])

/** A schema that refers to parts of itself, for where it is within the document. */
function moved(schema: unknown, to: string): unknown {
  if (Array.isArray(schema)) return schema.map((item) => moved(item, to))
  if (!isObject(schema)) return schema
  const { $schema: _, ...keywords } = schema
  return mapped(keywords, (value, key) => {
    if (key === '$ref' && typeof value === 'string' && value.startsWith('#')) return to + value.slice(1)
    if (NAMES.has(key) && isObject(value)) return mapped(value, (named) => moved(named, to))
    return VALUES.has(key) ? value : moved(value, to)
  })
}

const isObject = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function mapped(object: JsonSchema, map: (value: unknown, key: string) => unknown): JsonSchema {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value, key)]))
}
