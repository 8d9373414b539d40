/** Where a syntax error is. Every runtime tells it in its own shape. */

export interface SyntaxPlace {
  readonly file: string
  readonly line: number
  /** From 1. */
  readonly column: number
  readonly message: string
}

interface BunPosition {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** The place, or undefined for any other error, and for Node's of plain JavaScript, which has none. */
export function syntaxPlaceOf(error: unknown): SyntaxPlace | undefined {
  return ofBun(error) ?? ofJiti(error) ?? ofDeno(error) ?? ofNode(error)
}

/** `BuildMessage` with a position, or several of them in an `AggregateError`. */
function ofBun(error: unknown): SyntaxPlace | undefined {
  const { errors } = error as { errors?: unknown[] }
  const { name, position, message } = (errors?.[0] ?? error) as {
    name?: string
    position?: BunPosition
    message?: string
  }
  if (name !== 'BuildMessage' || !position) return undefined
  const { file, line, column } = position
  // The query tells a reloaded module from the one before it.
  return { file: file.replace(/\?.*$/, ''), line, column, message: String(message) }
}

/** `ParseError: <message>  \n <file>:<line>:<column from 0>` */
function ofJiti(error: unknown): SyntaxPlace | undefined {
  const [, message, file, line, column] = /^ParseError: (.*?)\s*\n\s*(.+):(\d+):(\d+)/.exec(messageOf(error)) ?? []
  if (!message || !file) return undefined
  return { file, line: Number(line), column: Number(column) + 1, message }
}

/** A TypeError whose message begins with `SyntaxError: ` and ends with the place. */
function ofDeno(error: unknown): SyntaxPlace | undefined {
  const text = messageOf(error)
  const [, file, line, column] = /\n\s+at (file:\S+?):(\d+):(\d+)/.exec(text) ?? []
  const [, message] = /^(?:SyntaxError: |The module's source code could not be parsed: )(.*)/.exec(text) ?? []
  if (!message || !file) return undefined
  return { file: toPath(file), line: Number(line), column: Number(column), message }
}

/** Its stack begins with `<file>:<line>`, the line itself (or some before it too), and carets below the place. */
function ofNode(error: unknown): SyntaxPlace | undefined {
  if (!(error instanceof SyntaxError)) return undefined
  const [, file, line] = /^(file:\S+|\/\S+):(\d+)\n/.exec(error.stack ?? '') ?? []
  if (!file) return undefined
  const caret = /^( *)\^+ *$/m.exec(error.stack ?? '')
  return { file: toPath(file), line: Number(line), column: (caret?.[1]?.length ?? 0) + 1, message: error.message }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : ''
}

function toPath(file: string): string {
  return file.startsWith('file:') ? decodeURIComponent(new URL(file).pathname) : file
}
