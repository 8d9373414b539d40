/** Why a request gets no reply of Redis's: a status and a text in Upstash's words. */
export class Refusal extends Error {
  override name = 'Refusal' as const
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

export const badRequest = (message: string): Refusal => new Refusal(400, message)

export const tooLarge = (limitBytes: number, actualBytes: number): Refusal =>
  new Refusal(413, `ERR max request size exceeded. Limit: ${limitBytes}, Actual: ${actualBytes}`)

export const tooManyCommands = (limit: number, actual: number): Refusal =>
  new Refusal(413, `ERR max number of commands exceeded. Limit: ${limit}, Actual: ${actual}`)

export const tooMany = (what: string, limit: number): Refusal =>
  new Refusal(503, `ERR max number of ${what} reached. Limit: ${limit}`, { 'retry-after': '1' })

/** Redis did not answer. Whether the command has run is not known; what is sent again should be safe to send again. */
export const unavailable = (reason: string): Refusal =>
  new Refusal(503, `ERR redis is not available: ${reason}`, { 'retry-after': '1' })

export const shuttingDown = (): Refusal =>
  new Refusal(503, 'ERR the gateway is shutting down', { 'retry-after': '1', connection: 'close' })
