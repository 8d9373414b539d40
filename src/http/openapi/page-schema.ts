/** JSON Schema for people: what a value is in words, and an object as a table of its fields. */
import { type Html, html, marked } from './html.ts'
import type { JsonSchema } from './json-schema.ts'

const PREFIX = '#/components/schemas/'

/** Where on the page a schema that has a name is. */
export const anchorOf = (name: string): string => `schema-${name}`

/** What a value is, in a few words. */
export function renderType(schema: JsonSchema): Html {
  const { $ref, anyOf, oneOf, items, prefixItems, type, format } = schema as Record<string, unknown>
  if (typeof $ref === 'string') return renderReference($ref)
  if (Array.isArray(schema.enum)) return html`${joined(schema.enum.map(renderValue))}`
  if ('const' in schema) return renderValue(schema.const)
  const options = anyOf ?? oneOf
  if (Array.isArray(options)) return html`${joined(options.map(renderType))}`
  if (type === 'array')
    return html`list of ${items && !prefixItems ? renderType(items as JsonSchema) : 'values'}${boundsOf(schema, 'Items')}`
  if (type === 'object') return schema.properties ? renderFields(schema) : html`object`
  if (type === 'string') return html`text${typeof format === 'string' && ` (${format})`}${boundsOf(schema, 'Length')}`
  if (type === 'integer') return html`whole number${boundsOf(schema, 'imum')}`
  if (type === 'number') return html`number${boundsOf(schema, 'imum')}`
  return html`${typeof type === 'string' ? type : 'any JSON'}`
}

function renderReference($ref: string): Html {
  const name = $ref.startsWith(PREFIX) ? $ref.slice(PREFIX.length) : undefined
  if (name === undefined || name.includes('/')) return html`object`
  return html`<a href="#${anchorOf(name)}">${name}</a>`
}

/** The fields of an object, each with what it is and stands for. */
export function renderFields(schema: JsonSchema): Html {
  const required = (schema.required ?? []) as readonly string[]
  const rows = Object.entries(schema.properties as Record<string, JsonSchema>).map(
    ([name, field]) => html`<tr>
<th scope="row"><code>${name}</code>${required.includes(name) && html` <b>needed</b>`}</th>
<td>${renderType(field)}</td><td>${marked(String(field.description ?? ''))}</td></tr>`,
  )
  return html`<table class="fields">${rows}</table>`
}

function joined(parts: readonly Html[]): readonly Html[] {
  return parts.flatMap((part, at) => (at === 0 ? [part] : [html` or `, part]))
}

const renderValue = (value: unknown): Html => html`<code>${JSON.stringify(value)}</code>`

/** `minLength` and the like; the largest numbers there are bound nothing that anybody means. */
function boundsOf(schema: JsonSchema, of: 'Length' | 'Items' | 'imum'): string {
  const [least, most] = [schema[`min${of}`], schema[`max${of}`]]
  const from = typeof least === 'number' && least > -Number.MAX_SAFE_INTEGER ? [`from ${least}`] : []
  const to = typeof most === 'number' && most < 8.64e15 ? [`to ${most}`] : []
  const bounds = [...from, ...to].join(' ')
  return bounds && ` ${bounds}${UNITS[of]}`
}

const UNITS = { Length: ' characters', Items: ' of them', imum: '' }
