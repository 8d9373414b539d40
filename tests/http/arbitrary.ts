/** Values to call with: those that a JSON Schema takes, those that it nearly takes, and what nobody would send on purpose. */
import fc from 'fast-check'
import type { JsonSchema } from '../../src/http/openapi/json-schema.ts'

/** Names of what is there, so that calls are about something. */
const words = [
  ...['default', 'anything', 'failed', 'later', 'nightly', 'w.1.0', '1', 'Europe/Oslo', '* * * * *'],
  'https://hooks.test/done',
]
const word = fc.constantFrom(...words)

type Keywords = Readonly<Record<string, unknown>>

/** Of the values that a schema takes most: what is checked by a pattern may be left out of it. */
export function fromSchema(schema: JsonSchema, named: Readonly<Record<string, JsonSchema>>): fc.Arbitrary<unknown> {
  const of = (part: JsonSchema) => fromSchema(part, named)
  const { $ref, anyOf, oneOf, type, items, prefixItems } = schema as Keywords
  if ($ref) return of(named[String($ref).slice('#/components/schemas/'.length)] as JsonSchema)
  if ('const' in schema) return fc.constant(schema.const)
  if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum)
  const options = (anyOf ?? oneOf) as readonly JsonSchema[] | undefined
  if (options) return fc.oneof(...options.map(of))
  if (prefixItems) return fc.tuple(...(prefixItems as readonly JsonSchema[]).map(of))
  if (type === 'array')
    return fc.array(of((items ?? {}) as JsonSchema), { minLength: (schema.minItems as number) ?? 0, maxLength: 3 })
  if (type === 'object') return fromFields(schema, of)
  if (type === 'string') return fromText(schema)
  if (type === 'integer' || type === 'number') return fromBounds(schema)
  if (type === 'boolean') return fc.boolean()
  return type === 'null' ? fc.constant(null) : fc.jsonValue({ maxDepth: 3 })
}

function fromText({ pattern, minLength = 0 }: JsonSchema): fc.Arbitrary<string> {
  const fits = new RegExp(typeof pattern === 'string' ? pattern : '', 'u')
  // Not left out of all that there is: of some patterns next to nothing would be left.
  const known = words.find((one) => fits.test(one))
  const own = fc
    .string({ unit: 'binary', minLength: minLength as number, maxLength: 40 })
    .map((text) => (fits.test(text) ? text : (known ?? text)))
  return fc.oneof({ weight: 3, arbitrary: word }, { weight: 1, arbitrary: own })
}

const MISSING = Symbol('missing')

function fromFields(schema: JsonSchema, of: (part: JsonSchema) => fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties } = schema as Keywords & { properties?: object }
  if (additionalProperties && Object.keys(properties).length === 0)
    return fc.dictionary(word, of(additionalProperties as JsonSchema), { maxKeys: 3, noNullPrototype: true })
  const fields = Object.entries(properties).map(([name, field]): fc.Arbitrary<readonly [string, unknown]> => {
    const value = of(field as JsonSchema)
    const isRequired = (required as readonly string[]).includes(name)
    const given = isRequired
      ? value
      : fc.oneof({ weight: 2, arbitrary: fc.constant(MISSING) }, { weight: 1, arbitrary: value })
    return given.map((chosen) => [name, chosen])
  })
  return fc.tuple(...fields).map((all) => Object.fromEntries(all.filter(([, value]) => value !== MISSING)))
}

function fromBounds({ type, minimum, maximum }: JsonSchema): fc.Arbitrary<number> {
  const [min, max] = [(minimum as number) ?? -1e9, (maximum as number) ?? 1e13]
  const usual = fc.constantFrom(...[1, 2, 10, 1_000].filter((value) => value >= min && value <= max), min)
  const small = fc.integer({ min: Math.ceil(min), max: Math.min(max, min + 1_000) })
  const edge = fc.constantFrom(min, max, Math.min(max, Math.max(min, 0)))
  const number = type === 'integer' ? small : fc.double({ min, max, noNaN: true })
  return fc.oneof({ weight: 3, arbitrary: usual }, { weight: 1, arbitrary: fc.oneof(small, edge, number) })
}

const deep = fc.integer({ min: 1, max: 3_000 }).map((depth) => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`))

export const hostile: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    ...[null, true, false, 0, -1, -0, 0.5, 1e308, -1e308, 2 ** 53 + 2, 5e-324, 8.64e15 + 1, '', ' ', '.', '..'],
    ...['\u0000', '\ud800', '\udfff\ud800', '\u202e', '__proto__', 'constructor', 'x'.repeat(10_000), 'null', '1e999'],
    ...['%00', "' or 1=1 --", '$1', '{{1}}', '<script>', '../../etc/passwd', 'a\r\nb: c', '*', 'input/a', '"0"'],
    ...[[], {}, [[]], [null], Array.from({ length: 1_001 }, () => 0)],
    JSON.parse('{"__proto__":{"polluted":true}}'),
    JSON.parse('{"constructor":{"prototype":{"polluted":true}}}'),
    { blob: 'input/a', bytes: 1 },
    { length: 1e9 },
    { toString: 1, valueOf: 1, toJSON: 1, hasOwnProperty: 1 },
  ),
  fc.jsonValue({ maxDepth: 4 }),
  fc.string({ unit: 'binary' }),
  deep,
)

/** A value of which one part is another, one more, or gone. */
export const mutated = (values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc
    .tuple(values, fc.nat(), fc.constantFrom('replace', 'add', 'remove'), hostile, fc.oneof(word, fc.string()))
    .map(([value, at, how, by, key]) => {
      const copy = { root: structuredClone(value) }
      const places = placesIn(copy)
      const [parent, name] = places[at % places.length] as Place
      if (how === 'replace') parent[name] = by
      else if (how === 'remove') delete parent[name]
      else Object.defineProperty(isParent(parent[name]) ? parent[name] : parent, key, { value: by, enumerable: true })
      return copy.root
    })

type Parent = Record<string, unknown>
type Place = readonly [parent: Parent, name: string]

const isParent = (value: unknown): value is Parent => typeof value === 'object' && value !== null

function placesIn(parent: Parent): readonly Place[] {
  return Object.entries(parent).flatMap(([name, value]): readonly Place[] => [
    [parent, name],
    ...(isParent(value) ? placesIn(value) : []),
  ])
}

/** A body as it arrives: JSON of such a value, some of it, or none. */
export const bodyOf = (values: fc.Arbitrary<unknown>): fc.Arbitrary<string | Uint8Array<ArrayBuffer>> => {
  const json = values.map((value) => JSON.stringify(value) ?? '')
  const broken = mutated(values).map((value) => JSON.stringify(value) ?? '')
  return fc.oneof(
    { weight: 4, arbitrary: json },
    { weight: 6, arbitrary: broken },
    { weight: 1, arbitrary: fc.tuple(json, fc.nat(60)).map(([text, at]) => text.slice(0, at)) },
    { weight: 1, arbitrary: fc.tuple(json, fc.nat(60)).map(([text, at]) => notUtf8(text, at)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        '',
        '[',
        '{"a":',
        '\ufeff{}',
        '1e999',
        'NaN',
        '['.repeat(5_000),
        '{"a":'.repeat(2_000),
      ),
    },
    { weight: 1, arbitrary: fc.string() },
  )
}

function notUtf8(text: string, at: number): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(text)
  if (bytes.length > 0) bytes[at % bytes.length] = 0xff
  return bytes
}
