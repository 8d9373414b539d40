export interface Pages {
  readonly url: string
  stop(): Promise<void>
}

/** Pages for handlers to ask for: `/flaky/<anything>` answers 503 when it is asked first, 200 afterwards; all else is 404. */
export function startPages(): Pages {
  const asked = new Set<string>()
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch({ url }) {
      const { pathname } = new URL(url)
      if (!pathname.startsWith('/flaky/')) return new Response('', { status: 404 })
      const status = asked.has(pathname) ? 200 : 503
      asked.add(pathname)
      return new Response('', { status })
    },
  })
  return { url: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) }
}
