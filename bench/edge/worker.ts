/** The whole of an edge app, as `examples/edge/cloudflare.ts` has it, with tasks to measure by. */
import { toWorker } from 'tq-edge/cloudflare'
import { defineApp, defineTask } from '../../src/index.ts'

const noop = defineTask({ name: 'noop', run: () => {} })
/** When its handler was started, by the clock of this machine. */
const stamp = defineTask({ name: 'stamp', run: () => Date.now() })

export default toWorker(defineApp({ name: 'bench', tasks: [noop, stamp] }), { kick: true, drain: { stay: false } })
