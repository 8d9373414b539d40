import { badRequest, exceeded } from './refusal.ts'

const NUMBER = /-?\d[\d.eE+-]*/g

/** A command and its arguments as Redis gets them. */
export type Command = (string | Buffer)[]

/** A word as Redis compares it: in any case, and no further than a NUL, where its strings end: `SHUTDOWN\0x` may shut it down. */
export function upper(word: string | Buffer | undefined): string {
  const text = String(word ?? '').toUpperCase()
  const end = text.indexOf('\0')
  return end === -1 ? text : text.slice(0, end)
}

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
  if (value.length > maxCommands) throw exceeded('commands', maxCommands, value.length)
  return (value.every(isExact) ? value : (JSON.parse(quoteNumbers(text)) as unknown[][])).map(toCommand)
}

/** Reads a command from a path (`/set/key/value?EX=10`); a body comes after the path, the query after the body. */
export function parsePath(path: string, query: string, body: Buffer): Command {
  const command: Command = path.split('/').map(toPart)
  if (body.length > 0) command.push(body)
  for (const [name, value] of new URLSearchParams(query))
    if (name !== '_token') command.push(...(value === '' ? [name] : [name, value]))
  return command
}

/** A part of a path that is to be text, decoded. Throws `Refusal` for what is not percent-encoded UTF-8. */
export function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw badRequest('ERR failed to parse command')
  }
}

/** An argument in a path: the bytes that it says, which may be no UTF-8. Throws `Refusal` for half an escape. */
function toPart(part: string): string | Buffer {
  try {
    return decodeURIComponent(part)
  } catch {
    if (/%(?![\da-f]{2})/i.test(part)) throw badRequest('ERR failed to parse command')
    const bytes = part.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    return Buffer.from(bytes, 'latin1')
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

/** False where JSON.parse has rounded an integer, or made an infinity of a number. */
function isExact(values: readonly unknown[]): boolean {
  for (const value of values) if (typeof value === 'number' && isRounded(value)) return false
  return true
}

function isRounded(value: number): boolean {
  return !Number.isSafeInteger(value) && (Number.isInteger(value) || !Number.isFinite(value))
}

/** JSON text with the numbers in it that would be rounded as strings, digit by digit. By hand: a pattern over long strings fills the stack. */
function quoteNumbers(text: string): string {
  let out = ''
  for (let at = 0; at < text.length; ) {
    const quote = text.indexOf('"', at)
    const start = quote === -1 ? text.length : quote
    const end = quote === -1 ? text.length : endOfString(text, quote)
    out += text.slice(at, start).replace(NUMBER, (digits) => (isRounded(Number(digits)) ? `"${digits}"` : digits))
    out += text.slice(start, end)
    at = end
  }
  return out
}

/** Behind the quote that closes the string, which is none that an odd number of backslashes stands before. */
function endOfString(text: string, start: number): number {
  for (let end = start; ; ) {
    end = text.indexOf('"', end + 1)
    let before = end
    while (text[before - 1] === '\\') before--
    if ((end - before) % 2 === 0) return end + 1
  }
}
