import { dirname } from 'node:path'
import { installed, versionOf } from '../../support/runtimes.ts'
import type { Runtime } from '../runtime.ts'
import { onProcess } from './process.ts'

const path = installed('.bin/deno')

export const deno: Runtime = onProcess({
  name: `deno ${versionOf(path).join('.')}`,
  command: [path, 'run', '--allow-all'],
  serve: [path, 'run', '--allow-all', '--unstable-cron', 'examples/edge/deno.ts'],
  runtime: 'deno',
  cli: [path, 'run', '-A', 'npm:tq-edge'],
  env: { PATH: `${dirname(path)}:${process.env.PATH}`, DENO_NO_UPDATE_CHECK: '1' },
  hasSqlite: true,
})
