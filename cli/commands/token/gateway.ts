import { checkGatewayToken, createGatewayToken } from '../../../adapters/gateway/tokens/token.ts'
import { commonArgs, given } from '../../args.ts'
import { command } from '../../command.ts'
import { UsageError } from '../../errors.ts'
import { OK } from '../../exit.ts'
import { toExpiresAtMs } from '../../expiry.ts'
import { valuesOf } from '../../flags.ts'
import { printJson, printLine, printNote } from '../../print.ts'
import { addToken } from '../../token-file.ts'
import { tokensArg } from './args.ts'
import { toRightsText } from './rights-text.ts'

const { json, debug } = commonArgs

const args = {
  name: { type: 'string', required: true, description: 'Who it is for', valueHint: 'name' },
  'read-only': {
    type: 'boolean',
    description: 'It only reads: nothing that writes, publishes or lists the keys there are',
  },
  prefix: {
    type: 'string',
    description: 'What its keys and channels begin with; repeatable',
    valueHint: 'prefix',
  },
  command: {
    type: 'string',
    description: "A command that it may run, such as get, config|get, or @hash for a category of Redis's; repeatable",
    valueHint: 'command',
  },
  scripts: {
    type: 'boolean',
    description: 'Scripts too, which reach every key; with --read-only those that cannot write',
  },
  metrics: { type: 'boolean', description: 'It reads /metrics, and nothing else' },
  all: { type: 'boolean', description: 'It may do everything that the gateway lets through' },
  expires: { type: 'string', description: 'How long it is good (default for ever)', valueHint: '30d' },
  ...tokensArg,
  json,
  debug,
} as const

export default command({
  name: 'gateway',
  description: 'Make a token for tq gateway, print it this once, and its record for who serves',
  examples: [
    'TOKEN=$(tq token gateway --name web --prefix web: --tokens gateway-tokens.json)',
    'tq token gateway --name dashboard --read-only --expires 30d --tokens gateway-tokens.json',
    "tq token gateway --name worker --prefix '{tq}:' --scripts --tokens gateway-tokens.json",
  ],
  args,
  async run({ name, all = false, expires, tokens, json = false, 'read-only': readOnly, scripts, metrics }, rawArgs) {
    const prefixes = valuesOf('prefix', rawArgs, args)
    const commands = valuesOf('command', rawArgs, args)
    const kinds = [all, metrics, readOnly || prefixes.length > 0 || commands.length > 0]
    if (kinds.filter(Boolean).length !== 1)
      throw new UsageError(
        'expected one of --all, --metrics, or --read-only, --prefix and --command, got none or several',
      )
    const { token, record } = await createGatewayToken({
      name,
      ...given({
        all: all || undefined,
        readOnly: readOnly || undefined,
        prefixes: prefixes.length > 0 ? prefixes : undefined,
        commands: commands.length > 0 ? commands : undefined,
        scripts: scripts || undefined,
        metrics: metrics || undefined,
        expiresAtMs: expires === undefined ? undefined : toExpiresAtMs(expires),
      }),
    })
    if (tokens !== undefined) addToken(tokens, record, checkGatewayToken)
    if (json) printJson({ token, record })
    else {
      printLine(token)
      printNote(tokens === undefined ? JSON.stringify(record) : `${name} (${toRightsText(record)}) added to ${tokens}`)
    }
    return OK
  },
})
