import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { type BuildConfig, gzipSync } from 'bun'
import { entries, ROOT } from './entries.ts'

/** What a platform brings. */
const PLATFORMS = ['node:*', 'bun:*', 'cloudflare:*']

/** Most bytes of our own code in each entry, minified and gzipped, without dependencies. */
const MAX_GZIP_BYTES: Record<string, number> = {
  '.': 18_900, // client, worker and drain together
  './client': 7_200, // 0.8 kB of it are kicks
  './http': 28_700, // 5.2 kB of it are the client, its errors and the job's code
  './openapi': 22_800, // the schemas of all that the API takes are 6 kB of it
  './webhooks': 7_000, // 3 kB of it are errors, problems and the reading of bodies
  './scheduler': 16_400,
  './scheduler/rrule': 4_900, // 56 kB with its calendar
  './scheduler/solar': 3_800, // 5.3 kB with its sun
  './brokers/redis': 34_300, // 17.3 kB of it are Lua
  './brokers/http': 2_700,
  './gateway': 23_500,
  './brokers/sqlite': 18_000,
  // The whole of an edge app: producer, drain, beat and Redis.
  './cloudflare': 76_700,
  './deno': 78_200,
  './bun': 78_000,
  './node': 78_100,
  './vercel': 76_700,
  './netlify': 76_700,
  './fetch': 76_600,
}

/** The same of what is imported of an entry: the rest of it is left out by the bundler. */
const MAX_IMPORTED_GZIP_BYTES: readonly (readonly [names: string, subpath: string, maxBytes: number])[] = [
  ['createClient', './client', 6_100],
  ['createWorker', '.', 9_800],
  ['drain', '.', 11_000],
  ['defineApp, defineTask', '.', 1_800],
  ['tick, cron', './scheduler', 9_800],
  ['cron', './scheduler', 4_400],
  ['redisBroker', './brokers/redis', 34_300],
  ['createApi', './http', 26_000],
]

/** The whole of `examples/edge/cloudflare.ts` with its packages: 18 kB of it are @upstash/redis, 10 kB croner, 6 kB Hono. */
const MAX_EXAMPLE_GZIP_BYTES = 117_800

async function gzipBytes(build: Partial<BuildConfig> & { entrypoints: string[] }): Promise<number> {
  const { outputs } = await Bun.build({ minify: true, target: 'browser', external: PLATFORMS, ...build })
  return gzipSync(new Uint8Array(await (outputs[0] as Blob).arrayBuffer())).byteLength
}

test('every entry keeps within its size budget', async () => {
  const sizes = Object.fromEntries(
    await Promise.all(
      Object.entries(await entries()).map(async ([subpath, file]) => [
        subpath,
        await gzipBytes({ entrypoints: [join(ROOT, file)], packages: 'external' }),
      ]),
    ),
  )
  for (const [subpath, bytes] of Object.entries(sizes)) {
    const budget = MAX_GZIP_BYTES[subpath]
    if (budget === undefined || (bytes as number) > budget)
      throw new Error(`${subpath}: expected at most ${budget} bytes, got ${bytes}`)
  }
  expect(Object.keys(sizes).sort()).toEqual(Object.keys(MAX_GZIP_BYTES).sort())
})

for (const [names, subpath, maxBytes] of MAX_IMPORTED_GZIP_BYTES)
  test(`${names} of ${subpath} comes without the rest of the entry`, async () => {
    const path = join(ROOT, 'imported.ts')
    const files = { [path]: `export { ${names} } from './${(await entries())[subpath]}'` }
    expect(await gzipBytes({ entrypoints: [path], files, packages: 'external' })).toBeLessThanOrEqual(maxBytes)
  })

test('the Cloudflare example keeps within its size budget, packages and all', async () => {
  const bytes = await gzipBytes({ entrypoints: [join(ROOT, 'examples/edge/cloudflare.ts')] })
  expect(bytes).toBeLessThanOrEqual(MAX_EXAMPLE_GZIP_BYTES)
})

/** What an entry leaves to be imported from packages. */
async function packagesOf(subpath: string): Promise<string[]> {
  const { outputs } = await Bun.build({
    entrypoints: [join(ROOT, (await entries())[subpath] as string)],
    target: 'browser',
    packages: 'external',
    external: PLATFORMS,
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

test('the API brings the one router that takes its paths', async () => {
  const packages = await packagesOf('./http')
  expect(packages).toContain('hono/router/trie-router')
  expect(packages).not.toContain('hono')
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
