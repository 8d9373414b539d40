/** Passes requests on to an address of this machine, and counts them. */
export interface Counter {
  readonly url: string
  readonly requests: number
  stop(): Promise<void>
}

export function startCounter(target: string): Counter {
  let requests = 0
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      requests++
      const { pathname, search } = new URL(request.url)
      const { method, headers } = request
      return fetch(`${target}${pathname}${search}`, { method, headers, body: await request.arrayBuffer() })
    },
  })
  return {
    url: `http://127.0.0.1:${server.port}`,
    get requests() {
      return requests
    },
    stop: () => server.stop(true),
  }
}
