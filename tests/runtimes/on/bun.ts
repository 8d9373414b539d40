import type { Runtime } from '../runtime.ts'
import { onProcess } from './process.ts'

export const bun: Runtime = onProcess({
  name: `bun ${Bun.version}`,
  command: [process.execPath],
  serve: [process.execPath, 'examples/edge/bun.ts'],
  cli: [process.execPath, 'x', '--bun', 'tq-edge'],
  hasSqlite: true,
})
