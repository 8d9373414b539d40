/** Arguments that several commands share, and their values checked: the edge where the command line comes in. */
import { UsageError } from './errors.ts'

export const appArg = {
  app: {
    type: 'string',
    description: 'The app: a file, or a folder with tq.config.ts (default: this folder or one above)',
    valueHint: 'path',
  },
} as const

export const appPositional = {
  path: {
    type: 'positional',
    required: false,
    description: 'The app: a file, or a folder with tq.config.ts (default: this folder or one above)',
  },
  ...appArg,
} as const

export const commonArgs = {
  db: { type: 'string', description: 'The database (default .tq/tq.db in this folder)', valueHint: 'path' },
  json: { type: 'boolean', description: 'Print JSON' },
  debug: { type: 'boolean', description: 'Print the stack of an error (also TQ_DEBUG=1)' },
} as const

export const hostArg = {
  host: {
    type: 'string',
    description: 'The address to listen on (default 127.0.0.1: this machine alone)',
    valueHint: 'host',
  },
} as const

export interface Range {
  readonly min: number
  readonly max?: number
}

/** A whole number in a range, undefined where the flag is not given. Throws `UsageError` otherwise. */
export function wholeNumber(
  flag: string,
  text: string | undefined,
  { min, max = Number.MAX_SAFE_INTEGER }: Range,
): number | undefined {
  if (text === undefined) return undefined
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new UsageError(`expected --${flag} to be a whole number ${rangeText(min, max)}, got "${text}"`)
}

/** A number of seconds, as milliseconds. Throws `UsageError` for anything else. */
export function secondsAsMs(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1_000
  throw new UsageError(`expected --${flag} to be a number of seconds, got "${text}"`)
}

/** The names between commas. Throws `UsageError` when there is none. */
export function names(flag: string, text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined
  const found = text
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean)
  if (found.length > 0) return found
  throw new UsageError(`expected --${flag} to be names with commas between, got none`)
}

/** The tokens between commas in a variable of the environment; none where it is not set. */
export function tokensOfEnvironment(variable: string): readonly string[] {
  return (process.env[variable] ?? '')
    .split(',')
    .map((token) => token.trim())
    .filter(Boolean)
}

/** The properties that are not undefined: for options whose absence has a meaning of its own. */
export function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}

function rangeText(min: number, max: number): string {
  return max === Number.MAX_SAFE_INTEGER ? `of ${min} or more` : `from ${min} to ${max}`
}
