import { badRequest, tooManyCommands } from './refusal.ts'

/** A command and its arguments as Redis gets them. */
export type Command = (string | Buffer)[]

/** Reads the body of `/`: one command as a JSON array. Throws `Refusal`. */
export function parseCommand(text: string): Command {
  const value = parseJson(text, 'ERR failed to parse command')
  if (!Array.isArray(value)) throw badRequest('ERR failed to parse command')
  if (value.length === 0) throw badRequest('ERR empty command')
  return isExact(value) ? toCommand(value) : toCommand(JSON.parse(quoteNumbers(text)))
}

/** Reads the body of `/pipeline` and `/multi-exec`: commands in a JSON array. An empty one stays. Throws `Refusal`. */
export function parseCommands(text: string, kind: 'pipeline' | 'multi-exec', maxCommands: number): Command[] {
  const failed = `ERR failed to parse ${kind} request`
  const value = parseJson(text, failed)
  if (!Array.isArray(value) || !value.every(Array.isArray)) throw badRequest(failed)
  if (value.length === 0) throw badRequest(`ERR empty ${kind} request`)
  if (value.length > maxCommands) throw tooManyCommands(maxCommands, value.length)
  return (value.every(isExact) ? value : (JSON.parse(quoteNumbers(text)) as unknown[][])).map(toCommand)
}

/** Reads a command from a path (`/set/key/value?EX=10`); a body comes after the path, the query after the body. */
export function parsePath(path: string, query: string, body: Buffer): Command {
  const command: Command = path.split('/').map(decode)
  if (body.length > 0) command.push(body)
  for (const [name, value] of new URLSearchParams(query))
    if (name !== '_token') command.push(...(value === '' ? [name] : [name, value]))
  return command
}

/** The parts of a path behind its first word, decoded. Throws `Refusal` for what is not percent-encoded UTF-8. */
export function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw badRequest('ERR failed to parse command')
  }
}

function parseJson(text: string, failed: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw badRequest(failed)
  }
}

/** In place: a batch has hundreds of thousands of arguments a second, and nearly all of them are strings already. */
function toCommand(values: unknown[]): Command {
  for (let at = 0; at < values.length; at++) if (typeof values[at] !== 'string') values[at] = toArgument(values[at])
  return values as Command
}

function toArgument(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw badRequest(value === null ? 'ERR null args are not supported' : 'ERR failed to parse command')
}

/** False where JSON.parse has rounded an integer. */
function isExact(values: readonly unknown[]): boolean {
  for (const value of values)
    if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) return false
  return true
}

/** JSON text with its numbers as strings, digit by digit. */
function quoteNumbers(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (token) => (token.startsWith('"') ? token : `"${token}"`))
}
