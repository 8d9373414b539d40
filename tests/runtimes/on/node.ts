import { dirname } from 'node:path'
import { installed, versionOf } from '../../support/runtimes.ts'
import type { Runtime } from '../runtime.ts'
import { onProcess } from './process.ts'

/** Every major version that is supported. */
export const nodes: readonly Runtime[] = ['node20', 'node22', 'node24', 'node26'].map((name) => {
  const path = installed(`${name}/bin/node`)
  const version = versionOf(path)
  const [major = 0] = version
  // Node 20 reads no TypeScript: the loader is the one that the CLI falls back to.
  const loader = major < 22 ? ['--import', 'jiti/register'] : []
  return onProcess({
    name: `node ${version.join('.')}`,
    command: [path],
    loader,
    serve: [path, ...loader, 'examples/edge/node.ts'],
    runtime: 'node',
    cli: ['npx', 'tq-edge'],
    // What npm itself has to say of its settings is no output of ours.
    env: { PATH: `${dirname(path)}:${process.env.PATH}`, npm_config_loglevel: 'error' },
    hasSqlite: major >= 22,
  })
})
