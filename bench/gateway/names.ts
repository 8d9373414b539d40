/** What is asked of the gateway, and of what it is measured beside. */
export const SERVER = new URL('./server.ts', import.meta.url)
export const LIBRARY = new URL('./library.ts', import.meta.url)

export const KEY = 'user:1000'
export const VALUE = 'x'.repeat(40)
export const SET = ['SET', KEY, VALUE]
export const GET = ['GET', KEY]
export const PIPELINE = Array.from({ length: 100 }, (_, at) => (at % 2 === 0 ? SET : GET))
/** What the server is told to have nothing in memory that is not in use. */
export const COLLECT = 'collect'

/** What serves: the gateway, or a server that has its answer in memory. */
export type Side = 'gateway' | 'bare'
