import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { gzipSync } from 'bun'
import { entries, ROOT } from './entries.ts'

/** Most bytes of our own code in each entry, minified and gzipped, without dependencies. */
const MAX_GZIP_BYTES: Record<string, number> = {
  '.': 14_800, // client, worker and drain together
  './client': 6_200, // 0.8 kB of it are kicks
  './http': 15_000, // 5.2 kB of it are the client, its errors and the job's code
  './scheduler': 8_300,
  './brokers/redis': 25_500, // 16 kB of it are Lua
  './gateway': 12_000,
  './brokers/sqlite': 12_800,
  // The whole of an edge app: producer, drain, beat and Redis.
  './cloudflare': 54_000,
  './deno': 54_500,
  './bun': 54_500,
  './node': 54_500,
  './vercel': 54_000,
  './netlify': 54_000,
  './fetch': 54_000,
}

async function gzipBytes(file: string): Promise<number> {
  const { outputs } = await Bun.build({
    entrypoints: [join(ROOT, file)],
    minify: true,
    target: 'browser',
    packages: 'external',
    external: ['node:*', 'bun:*'],
  })
  return gzipSync(new Uint8Array(await (outputs[0] as Blob).arrayBuffer())).byteLength
}

test('every entry keeps within its size budget', async () => {
  const sizes = Object.fromEntries(
    await Promise.all(Object.entries(await entries()).map(async ([subpath, file]) => [subpath, await gzipBytes(file)])),
  )
  for (const [subpath, bytes] of Object.entries(sizes)) {
    const budget = MAX_GZIP_BYTES[subpath]
    if (budget === undefined || (bytes as number) > budget)
      throw new Error(`${subpath}: expected at most ${budget} bytes, got ${bytes}`)
  }
  expect(Object.keys(sizes).sort()).toEqual(Object.keys(MAX_GZIP_BYTES).sort())
})

test('a worker carries no Hono, and nobody but the scheduler carries croner', async () => {
  for (const subpath of ['.', './client', './brokers/sqlite', './http']) {
    const file = (await entries())[subpath] as string
    const { outputs } = await Bun.build({
      entrypoints: [join(ROOT, file)],
      target: 'browser',
      packages: 'external',
      external: ['node:*', 'bun:*'],
    })
    const code = await (outputs[0] as Blob).text()
    expect(code.includes('from "croner"')).toBe(false)
    expect(code.includes('from "hono')).toBe(subpath === './http')
  }
})
