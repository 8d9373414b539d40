/** One run of a job, as its handler told it. */
export interface Run {
  readonly id: string
  readonly member: string
}

/** Where the fleet's handlers tell that they run: it knows who ran what, and holds them while somebody is to be killed. */
export interface Ledger {
  readonly url: string
  /** Who has run each job, in order. */
  readonly members: ReadonlyMap<string, readonly string[]>
  /** From now on nobody is answered, until what this resolves with is called: each of them is then in the middle of a run. */
  holdUntilRunning(members: readonly string[]): Promise<() => void>
  stop(): Promise<void>
}

export function startLedger(): Ledger {
  const members = new Map<string, string[]>()
  const running = new Map<string, number>()
  let answered: Promise<unknown> = Promise.resolve()
  let onRun = () => {}

  async function answer({ id, member }: Run): Promise<Response> {
    members.set(id, [...(members.get(id) ?? []), member])
    running.set(member, (running.get(member) ?? 0) + 1)
    onRun()
    await answered
    running.set(member, (running.get(member) ?? 0) - 1)
    return new Response('')
  }

  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 120,
    fetch: async (request) => answer((await request.json()) as Run),
  })
  return {
    url: `http://127.0.0.1:${server.port}`,
    members,
    async holdUntilRunning(wanted) {
      const { promise, resolve: release } = Promise.withResolvers<void>()
      answered = promise
      await new Promise<void>((resolve) => {
        onRun = () => {
          if (wanted.every((member) => (running.get(member) ?? 0) > 0)) resolve()
        }
        onRun()
      })
      return release
    },
    stop: () => server.stop(true),
  }
}
