import { secretsOf } from '../../adapters/runtimes/variables.ts'
import { createLink, type LinkOptions } from '../../src/links.ts'
import { commonArgs, given, wholeNumber } from '../args.ts'
import { command } from '../command.ts'
import { UsageError } from '../errors.ts'
import { OK } from '../exit.ts'
import { toExpiresAtMs } from '../expiry.ts'
import { readInput } from '../input.ts'
import { DEFAULT_PORT } from '../port.ts'
import { printJson, printLine } from '../print.ts'

const { json, debug } = commonArgs

export default command({
  name: 'link',
  description: 'Make a signed link that enqueues jobs of one task, or reads one job, until it expires',
  examples: [
    'tq link email.send --expires 3d --url https://tq.example --max-bytes 10000',
    `tq link report '{"week":47}' --expires 12h --id report-47`,
    'tq link --job "$ID" --expires 1h',
  ],
  args: {
    task: { type: 'positional', required: false, description: 'The name of the task' },
    input: { type: 'positional', required: false, description: 'Its input as JSON (default: each call brings one)' },
    job: { type: 'string', description: 'In place of a task: the job that it reads', valueHint: 'id' },
    expires: { type: 'string', required: true, description: 'How long it is good', valueHint: '3d' },
    url: {
      type: 'string',
      description: `Where the API is (default http://127.0.0.1:${DEFAULT_PORT})`,
      valueHint: 'url',
    },
    id: { type: 'string', description: 'The id of the one job that it makes', valueHint: 'id' },
    queue: { type: 'string', description: 'Default default', valueHint: 'name' },
    'max-bytes': { type: 'string', description: 'The largest body', valueHint: 'n' },
    json,
    debug,
  },
  async run({ task, input, job, expires, url = `http://127.0.0.1:${DEFAULT_PORT}`, id, queue, json, ...args }) {
    const [secret] = secretsOf(process.env, 'TQ_LINK_SECRET')
    if (secret === undefined) throw new UsageError('expected TQ_LINK_SECRET, as who serves has it, got none')
    if ((task === undefined) === (job === undefined)) throw new UsageError('expected a task, or --job <id>')
    const expiresAtMs = toExpiresAtMs(expires)
    const maxBytes = wholeNumber('max-bytes', args['max-bytes'], { min: 1 })
    const enqueues = given({ task, input: await readInput(input), id, queue, maxBytes })
    const more = Object.keys(enqueues)[0]
    if (job !== undefined && more) throw new UsageError(`expected --job without ${more}, which is for a task`)
    const what = { ...(job === undefined ? enqueues : { job }), url, expiresAtMs } as LinkOptions
    const link = await createLink(secret, what)
    if (json) printJson({ link, expiresAtMs })
    else printLine(link)
    return OK
  },
})
