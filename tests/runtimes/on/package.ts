import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { installed } from '../../support/runtimes.ts'
import { bundle } from '../bundle.ts'
import { run, runOrThrow } from '../command.ts'
import { type Packed, ROOT } from '../packed.ts'
import { expectEqual, outcomeOf, type Runtime } from '../runtime.ts'

/** What may be imported anywhere, so nothing of Node may be in it. The other entries are for servers. */
const ON_THE_EDGE = [
  'tq-edge',
  ...['client', 'http', 'scheduler', 'scheduler/rrule', 'scheduler/solar'].map((name) => `tq-edge/${name}`),
  ...['brokers/redis', 'cloudflare', 'vercel', 'netlify', 'fetch'].map((name) => `tq-edge/${name}`),
]
/** In a handler of `examples/anywhere`. */
const MARKER = 'the page is not there'

/** The package itself, whatever it runs on. */
export const contents: Runtime = {
  name: 'package',
  async check({ packed }) {
    return [
      await outcomeOf('publint has nothing to say', () => publintIsContent(packed)),
      await outcomeOf('every entry resolves to its types, from ES modules and by bundlers', () => typesResolve(packed)),
      await outcomeOf('it holds what belongs in it, and nothing else', () => holdsWhatBelongs(packed)),
      await outcomeOf('what runs on the edge imports nothing of Node', () => needsNoNode(packed)),
      await outcomeOf('a producer that knows the type of the app bundles no handler', () => bundlesNoHandler(packed)),
      await outcomeOf('JSR would take it, slow types and all', wouldPublishToJsr),
    ]
  },
}

async function publintIsContent({ tarball }: Packed): Promise<void> {
  const { messages, pkg } = await publint({ strict: true, pack: { tarball: await Bun.file(tarball).arrayBuffer() } })
  expectEqual(
    messages.map((message) => formatMessage(message, pkg)),
    [],
  )
}

async function typesResolve({ tarball, path }: Packed): Promise<void> {
  const attw = installed('@arethetypeswrong/cli/dist/index.js')
  await runOrThrow(['node', attw, '--profile', 'esm-only', '--no-color', tarball], { cwd: path })
}

async function holdsWhatBelongs({ files }: Packed): Promise<void> {
  const folders = ['src', 'scheduler', 'adapters', 'cli', 'docs', 'examples']
  const listed = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', ...folders]
  const sources = (await runOrThrow(listed, { cwd: ROOT })).split('\0').filter((name) => name !== '')
  const belongs = sources.flatMap((name) =>
    /^(?:docs|examples)\//.test(name) ? [name] : ['.js', '.d.ts'].map((end) => `dist/${name.replace(/\.ts$/, end)}`),
  )
  const expected = new Set([...belongs, 'CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'])
  const odd = files.filter((file) => !expected.has(file))
  const missing = [...expected].filter((file) => !files.includes(file))
  expectEqual({ odd, missing }, { odd: [], missing: [] })
}

async function needsNoNode({ path }: Packed): Promise<void> {
  const source = ON_THE_EDGE.map((name, at) => `export * as entry${at} from '${name}'`).join('\n')
  expectEqual((await bundle(path, 'edge', source)).imports, [])
  // And it would be seen.
  const { imports } = await bundle(path, 'server', `export * from 'tq-edge/brokers/sqlite'`)
  expectEqual(imports.includes('node:fs by node_modules/tq-edge/dist/adapters/brokers/sqlite/wake.js'), true)
}

async function bundlesNoHandler({ path }: Packed): Promise<void> {
  const producer = await bundle(path, 'producer', `export * from './tests/runtimes/project/producer.ts'`)
  expectEqual([producer.code.includes(MARKER), producer.code.includes('page.check')], [false, true])
  // And it would be seen.
  const app = await bundle(path, 'app', `export { default } from './examples/anywhere/tq.config.ts'`)
  expectEqual(app.code.includes(MARKER), true)
}

/** Checks every export's types as JSR does; asks nobody. */
async function wouldPublishToJsr(): Promise<void> {
  const deno = [installed('.bin/deno'), 'publish', '--dry-run', '--allow-dirty', '--quiet']
  const { stderr, exitCode } = await run(deno, { cwd: ROOT, env: { DENO_NO_UPDATE_CHECK: '1' } })
  if (exitCode !== 0) throw new Error(stderr)
}
