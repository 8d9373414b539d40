import { expect, test } from 'bun:test'
import { dirname, join, normalize } from 'node:path'
import { Glob } from 'bun'

const ROOT = join(import.meta.dir, '../..')

/** Each floor rests only on itself and on those below it. */
const FLOORS: Record<string, readonly string[]> = {
  src: ['src'],
  scheduler: ['scheduler', 'src'],
  adapters: ['adapters', 'scheduler', 'src'],
  cli: ['cli', 'adapters', 'scheduler', 'src'],
}

/** The only places that may import these packages; every other package may be imported by nobody. */
const PACKAGES: Record<string, readonly RegExp[]> = {
  hono: [/^src\/http\//],
  croner: [/^scheduler\//],
  'rrule-temporal': [/^scheduler\/rrule\.ts$/],
  suncalc: [/^scheduler\/solar\.ts$/],
  citty: [/^cli\//],
  cronstrue: [/^cli\//],
  jiti: [/^cli\//],
  picocolors: [/^cli\//],
  'cli-table3': [/^cli\//],
  '@hono/node-server': [/^adapters\/runtimes\//],
  '@redis/client': [/^adapters\/gateway\//],
  '@upstash/redis': [/^adapters\/brokers\/redis\//],
  valibot: [/^src\/http\//, /^src\/schedule-data\.ts$/, /^scheduler\//, /^cli\//],
  uuid: [/^src\//, /^scheduler\//, /^cli\//],
  leven: [/^src\//, /^cli\//],
  '@standard-schema/spec': [/^src\//],
  '@valibot/to-json-schema': [/^src\/http\/openapi\//],
}

/** There, what is between backticks is what `tq init` writes: programs that import on their own behalf. */
const WRITTEN = 'cli/init/'

interface Import {
  readonly file: string
  readonly specifier: string
}

/** By text, not by a transpiler: that would drop imports of types. */
function importsOf(file: string, text: string): Import[] {
  const commentless = text.replace(/\/\*[\s\S]*?\*\//g, '')
  const code = file.startsWith(WRITTEN) ? commentless.replace(/`(?:\\.|[^`\\])*`/g, '``') : commentless
  const matches = code.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^'"\n]*?(?:\{[^}]*\}[^'"\n]*?)?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]|(?:^|\n)import\s*['"]([^'"]+)['"]/g,
  )
  return [...matches].map((match) => ({ file, specifier: match[1] ?? match[2] ?? match[3] ?? '' }))
}

async function allImports(): Promise<Import[]> {
  const files = [...new Glob('{src,scheduler,adapters,cli}/**/*.ts').scanSync(ROOT)]
  const imports = await Promise.all(files.map(async (file) => importsOf(file, await Bun.file(join(ROOT, file)).text())))
  return imports.flat()
}

function directionError({ file, specifier }: Import): string | null {
  if (!specifier.startsWith('.')) return null
  const floor = file.split('/')[0] as string
  const target = normalize(join(dirname(file), specifier)).split('/')[0] as string
  return FLOORS[floor]?.includes(target) ? null : `${file} imports ${specifier}`
}

function packageError({ file, specifier }: Import): string | null {
  if (specifier.startsWith('.')) return null
  if (specifier.startsWith('node:')) return /^(cli|adapters)\//.test(file) ? null : `${file} imports ${specifier}`
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
  return PACKAGES[name]?.some((place) => place.test(file)) ? null : `${file} imports ${specifier}`
}

test('imports point inward: src, scheduler, adapters, cli', async () => {
  expect((await allImports()).map(directionError).filter(Boolean)).toEqual([])
})

test('each package is imported only where it belongs', async () => {
  expect((await allImports()).map(packageError).filter(Boolean)).toEqual([])
})

test('a planted violation of either kind is seen, also as a type', () => {
  const planted = importsOf('src/job.ts', `import type { Cron } from 'croner'\nimport { x } from '../cli/index.ts'\n`)
  expect(planted.map((found) => directionError(found) ?? packageError(found))).toEqual([
    'src/job.ts imports croner',
    'src/job.ts imports ../cli/index.ts',
  ])
})
