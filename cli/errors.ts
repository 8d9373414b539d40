import { TqError } from '../src/errors.ts'

/** The command line asks for something that there is not. */
export class UsageError extends TqError {
  override name = 'UsageError' as const
}

/** No file that defines an app was found. */
export class AppNotFound extends TqError {
  override name = 'AppNotFound' as const
  readonly where: string
  constructor(where: string, advice: string) {
    super(`expected tq.config.ts (or .js, .mjs) in ${where}, got none: ${advice}`)
    this.where = where
  }
}

/** The file of an app cannot be loaded: a syntax error, a throw at its top level, a missing module. */
export class BrokenApp extends TqError {
  override name = 'BrokenApp' as const
  readonly file: string
  /** `file:line:column`, where it is known. */
  readonly place: string | undefined
  constructor(file: string, what: string, place?: string, options?: ErrorOptions) {
    super(`expected ${file} to load, got ${what}${place ? ` at ${place}` : ''}`, options)
    this.file = file
    this.place = place
  }
}

/** The file loads, but what it exports is no app. */
export class NotAnApp extends TqError {
  override name = 'NotAnApp' as const
  readonly file: string
  readonly found: string
  constructor(file: string, found: string) {
    super(
      `expected ${file} to have an app as its default export, got ${found}: write export default defineApp({ ... })`,
    )
    this.file = file
    this.found = found
  }
}
