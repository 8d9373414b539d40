/** Why a request gets no reply of Redis's: a status and a text in Upstash's words. */
export class Refusal extends Error {
  override name = 'Refusal' as const
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** True where Redis may have executed something of the request all the same. */
  readonly mayHaveRun: boolean
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}, mayHaveRun = false) {
    super(message)
    this.status = status
    this.headers = headers
    this.mayHaveRun = mayHaveRun
  }
}

export const badRequest = (message: string): Refusal => new Refusal(400, message)

export const tooLarge = (limitBytes: number, actualBytes: number): Refusal =>
  new Refusal(413, `ERR max request size exceeded. Limit: ${limitBytes}, Actual: ${actualBytes}`)

export const exceeded = (what: 'commands' | 'channels', limit: number, actual: number): Refusal =>
  new Refusal(413, `ERR max number of ${what} exceeded. Limit: ${limit}, Actual: ${actual}`)

export const tooMany = (what: string, limit: number): Refusal =>
  new Refusal(503, `ERR max number of ${what} reached. Limit: ${limit}`, { 'retry-after': '1' })

/** Redis was not asked, or has done nothing of it. */
export const unavailable = (reason: string): Refusal => away(reason, false)

/** Redis did not answer. Whether the command has run is not known; what is sent again should be safe to send again. */
export const unanswered = (reason: string): Refusal => away(reason, true)

function away(reason: string, mayHaveRun: boolean): Refusal {
  return new Refusal(503, `ERR redis is not available: ${reason}`, { 'retry-after': '1' }, mayHaveRun)
}

/** Before a request: of what the caller has sent nothing has run by then. */
export function refuseBefore(error: unknown): never {
  if (!(error instanceof Refusal)) throw error
  throw new Refusal(error.status, error.message, error.headers)
}

/** In the middle of a request: what stands before it has run. */
export function refuseRest(error: unknown, commandsRun: number): never {
  if (!(error instanceof Refusal) || commandsRun === 0) throw error
  throw new Refusal(error.status, error.message, error.headers, true)
}

export const shuttingDown = (): Refusal =>
  new Refusal(503, 'ERR the gateway is shutting down', { 'retry-after': '1', connection: 'close' })
