import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { gzipSync } from 'bun'
import { entries, ROOT } from './entries.ts'

/** Most bytes of our own code in each entry, minified and gzipped, without dependencies. */
const MAX_GZIP_BYTES: Record<string, number> = {
  '.': 18_800, // client, worker and drain together
  './client': 7_200, // 0.8 kB of it are kicks
  './http': 28_700, // 5.2 kB of it are the client, its errors and the job's code
  './openapi': 22_900, // the schemas of all that the API takes are 6 kB of it
  './webhooks': 6_900, // 3 kB of it are errors, problems and the reading of bodies
  './scheduler': 16_300,
  './scheduler/rrule': 4_900, // 56 kB with its calendar
  './scheduler/solar': 3_800, // 5.3 kB with its sun
  './brokers/redis': 33_800, // 17.3 kB of it are Lua
  './brokers/http': 2_600,
  './gateway': 18_200,
  './brokers/sqlite': 17_900,
  // The whole of an edge app: producer, drain, beat and Redis.
  './cloudflare': 76_300,
  './deno': 77_600,
  './bun': 77_500,
  './node': 77_600,
  './vercel': 76_300,
  './netlify': 76_300,
  './fetch': 76_200,
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

/** What an entry leaves to be imported from packages. */
async function packagesOf(subpath: string): Promise<string[]> {
  const { outputs } = await Bun.build({
    entrypoints: [join(ROOT, (await entries())[subpath] as string)],
    target: 'browser',
    packages: 'external',
    external: ['node:*', 'bun:*'],
  })
  const code = await (outputs[0] as Blob).text()
  return [...code.matchAll(/from "([^"]+)"/g)].map(([, name]) => name as string)
}

test('a worker carries no Hono, and nobody but the scheduler carries croner', async () => {
  for (const subpath of ['.', './client', './brokers/sqlite', './http']) {
    const packages = await packagesOf(subpath)
    expect(packages.includes('croner')).toBe(false)
    expect(packages.some((name) => name.startsWith('hono'))).toBe(subpath === './http')
  }
})

test('who does not import it carries no CORS', async () => {
  for (const subpath of ['./cloudflare', './deno', './vercel', './fetch'])
    expect(await packagesOf(subpath)).not.toContain('hono/cors')
  expect(await packagesOf('./http')).toContain('hono/cors')
})

test('recurrence rules and the sun are carried by those alone who import them', async () => {
  const carriers = async (name: string) => {
    const found = await Promise.all(
      Object.keys(await entries()).map(async (subpath) =>
        (await packagesOf(subpath)).includes(name) ? [subpath] : [],
      ),
    )
    return found.flat()
  }
  expect(await carriers('rrule-temporal')).toEqual(['./scheduler/rrule'])
  expect(await carriers('suncalc')).toEqual(['./scheduler/solar'])
})
