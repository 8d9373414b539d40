import { join } from 'node:path'
import { installed, versionOf } from '../../support/runtimes.ts'
import { run } from '../command.ts'
import { ROOT } from '../packed.ts'
import { outcomeOf, type Runtime } from '../runtime.ts'

/** By their path: each of them would be `.bin/tsc`. */
const COMPILERS = [
  installed('typescript59/lib/tsc.js'),
  installed('typescript6/lib/tsc.js'),
  join(ROOT, 'node_modules/typescript/lib/tsc.js'),
]

/** As strict as a user's project can be, the package's own declarations included. */
const compilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true,
  allowImportingTsExtensions: true,
  module: 'nodenext',
  target: 'es2023',
  lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
  types: [],
}
/** What asks for no types but those of the Web: the servers of `examples/edge` take those of their runtime. */
const include = [
  'tests/src',
  'tests/runtimes/project/conformance.ts',
  'tests/runtimes/project/gateway.ts',
  'tests/runtimes/project/producer.ts',
  'examples/anywhere',
  'examples/edge/cloudflare.ts',
  'examples/edge-producer',
]

/** The package's types under every compiler that is supported: names of tasks, inputs and results, right and wrong. */
export const compilers: readonly Runtime[] = COMPILERS.map((path) => ({
  name: `typescript ${versionOf(path, ['node', path]).join('.')}`,
  check: async ({ packed }) => [
    await outcomeOf('an app, a producer and what is wrong in one', async () => {
      await Bun.write(join(packed.path, 'tsconfig.json'), JSON.stringify({ compilerOptions, include }))
      const { stdout, exitCode } = await run(['node', path, '-p', '.'], { cwd: packed.path })
      if (exitCode !== 0) throw new Error(stdout)
    }),
  ],
}))
