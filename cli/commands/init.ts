import { basename, resolve } from 'node:path'
import { command } from '../command.ts'
import { shortPath } from '../config.ts'
import { UsageError } from '../errors.ts'
import { OK } from '../exit.ts'
import { didYouMean } from '../flags.ts'
import { choose, type Terminal } from '../init/choose.ts'
import { filesOf } from '../init/files.ts'
import { BROKERS, type BrokerName, toName } from '../init/project.ts'
import { RUNTIMES, type RuntimeName, TEMPLATES } from '../init/templates.ts'
import { writeFiles } from '../init/write.ts'
import { ownPackage } from '../package.ts'
import { printJson, printLine } from '../print.ts'

export default command({
  name: 'init',
  description: 'Write a small project that works, for a runtime and a broker',
  examples: [
    'tq init my-app                         asks for the rest',
    'tq init my-app --runtime cloudflare',
    'tq init . --runtime node --broker sqlite',
  ],
  args: {
    folder: { type: 'positional', required: false, description: 'Where to write it (default: this folder)' },
    runtime: { type: 'string', description: `Where it runs: ${RUNTIMES.join(', ')}`, valueHint: 'name' },
    broker: { type: 'string', description: `Where jobs are kept: ${BROKERS.join(', ')}`, valueHint: 'name' },
    force: { type: 'boolean', description: 'Overwrite files that are there already' },
    json: { type: 'boolean', description: 'Print JSON' },
    debug: { type: 'boolean', description: 'Print the stack of an error (also TQ_DEBUG=1)' },
  },
  async run({ folder = '.', runtime, broker, force = false, json = false }) {
    const path = resolve(folder)
    const name = toName(basename(path))
    const ask = process.stdin.isTTY ? { input: process.stdin, output: process.stderr } : undefined
    const on = runtime === undefined ? await askRuntime(ask) : oneOf('runtime', runtime, RUNTIMES)
    const keptBy = await brokerFor(on, broker, ask)
    const template = TEMPLATES[on]
    const files = filesOf(template, { name, broker: keptBy, own: ownPackage() })
    writeFiles(path, files, { force })
    if (json) {
      printJson({ folder: path, name, runtime: on, broker: keptBy, files: Object.keys(files) })
      return OK
    }
    const steps = template.steps.map(([step]) => `  ${step}\n`).join('')
    const enter = path === process.cwd() ? '' : `  cd ${shortPath(path)}\n`
    printLine(`wrote ${Object.keys(files).join(', ')}\n\nnext (README.md says more):\n${enter}${steps}`.trimEnd())
    return OK
  },
})

function askRuntime(ask: Terminal | undefined): Promise<RuntimeName> {
  const [first, ...others] = RUNTIMES
  if (ask && first) return choose('where does it run?', [first, ...others], ask)
  throw new UsageError(`expected --runtime, got none: one of ${RUNTIMES.join(', ')}`)
}

/** Nobody is asked where there is no choice. */
async function brokerFor(runtime: RuntimeName, broker: string | undefined, ask?: Terminal): Promise<BrokerName> {
  const { brokers } = TEMPLATES[runtime]
  if (broker === undefined && brokers.length === 1) return brokers[0]
  if (broker === undefined && ask) return choose('where are jobs kept?', brokers, ask)
  if (broker === undefined) throw new UsageError(`expected --broker, got none: one of ${brokers.join(', ')}`)
  const found = oneOf('broker', broker, BROKERS)
  if (brokers.some((each) => each === found)) return found
  throw new UsageError(
    `expected a broker that ${runtime} can use, got ${found}: pass --broker ${brokers[0]}, or --runtime node, bun or deno`,
  )
}

function oneOf<const Name extends string>(flag: string, name: string, known: readonly Name[]): Name {
  const found = known.find((each) => each === name)
  if (found !== undefined) return found
  throw new UsageError(
    `expected --${flag} to be one of ${known.join(', ')}, got "${name}"${didYouMean(name, known, '')}`,
  )
}
