/** Settings that come by flags, by the environment or in a file: the first of them that says something counts. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { UsageError } from './errors.ts'
import { didYouMean } from './flags.ts'

export interface Settings<Name extends string> {
  /** Of a flag with a value, as it would be typed. */
  text(name: Name): string | undefined
  isSet(name: Name): boolean
}

export interface SettingsOptions<Name extends string> {
  /** The flags that may stand in the environment and in the file, and what they are. */
  readonly args: Readonly<Record<Name, { readonly type: 'string' | 'boolean' }>>
  /** Of the command line. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** What a flag is called there, such as `TQ_GATEWAY_PORT`. */
  readonly variableOf: (name: Name) => string
  /** A JSON object whose fields are called as the flags. */
  readonly path: string | undefined
  /** What has no place in a file, and what to do instead. */
  readonly refused: Readonly<Record<string, string>>
  /** Flags with a path in a file: there it counts from the file's folder. */
  readonly paths: ReadonlySet<Name>
}

type Value = string | boolean

/** Throws `UsageError` for a file that is none, for what no flag is called, and for what is no value of one. */
export function createSettings<Name extends string>(options: SettingsOptions<Name>): Settings<Name> {
  const { args, flags, environment, variableOf } = options
  const inFile: Partial<Record<Name, Value>> = options.path === undefined ? {} : readFields(options.path, options)

  function settingOf(name: Name): Value | undefined {
    const flag = flags[name] as Value | undefined
    if (flag !== undefined) return flag
    const text = environment[variableOf(name)] || undefined
    if (text === undefined) return inFile[name]
    return args[name].type === 'string' ? text : toBoolean(text, variableOf(name))
  }

  return {
    text: (name) => settingOf(name) as string | undefined,
    isSet: (name) => settingOf(name) === true,
  }
}

function readFields<Name extends string>(
  path: string,
  { args, paths, refused }: SettingsOptions<Name>,
): Partial<Record<Name, Value>> {
  const known = Object.keys(args)
  const fields: Partial<Record<Name, Value>> = {}
  for (const [name, value] of Object.entries(parse(path))) {
    if (!isOneOf(name, args)) {
      const advice = isOneOf(name, refused) ? `: ${refused[name]}` : didYouMean(name, known, '')
      throw new UsageError(`expected settings in ${path}, got "${name}"${advice}`)
    }
    const text = toValue(args[name].type, value)
    if (text === undefined)
      throw new UsageError(`expected "${name}" in ${path} to be ${EXPECTED[args[name].type]}, got another value`)
    fields[name] = paths.has(name) ? resolve(dirname(path), String(text)) : text
  }
  return fields
}

function isOneOf<Name extends string>(name: string, args: Readonly<Record<Name, unknown>>): name is Name {
  return Object.hasOwn(args, name)
}

const EXPECTED = { string: 'a text or a number', boolean: 'true or false' } as const

function toValue(type: 'string' | 'boolean', value: unknown): Value | undefined {
  if (type === 'boolean') return typeof value === 'boolean' ? value : undefined
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}

/** What cannot be read is not repeated: it may hold a password. */
function parse(path: string): object {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== undefined)
      throw new UsageError(`expected --config to be a file that can be read, got ${path} (${code})`, { cause })
  }
  throw new UsageError(`expected a JSON object in ${path}, got something else`)
}

function toBoolean(text: string, variable: string): boolean {
  if (/^(?:1|true)$/i.test(text)) return true
  if (/^(?:0|false)$/i.test(text)) return false
  throw new UsageError(`expected ${variable} to be 1 or 0, got another value`)
}
