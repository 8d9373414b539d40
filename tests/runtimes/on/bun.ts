import { join } from 'node:path'
import { ROOT } from '../packed.ts'
import type { Runtime } from '../runtime.ts'
import { onProcess } from './process.ts'

export const bun: Runtime = onProcess({
  name: `bun ${Bun.version}`,
  command: [process.execPath],
  serve: [process.execPath, 'examples/edge/bun.ts'],
  runtime: 'bun',
  cli: [process.execPath, 'x', '--bun', 'tq-edge'],
  // By its name, as a supervisor starts it.
  env: { PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}` },
  hasSqlite: true,
})
