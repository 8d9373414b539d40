import { checkRecord, createToken, type TokenRecord, toRecordText } from '../../../src/http/tokens.ts'
import { commonArgs, given } from '../../args.ts'
import { command } from '../../command.ts'
import { UsageError } from '../../errors.ts'
import { OK } from '../../exit.ts'
import { toExpiresAtMs } from '../../expiry.ts'
import { valuesOf } from '../../flags.ts'
import { printJson, printLine, printNote } from '../../print.ts'
import { addToken } from '../../token-file.ts'
import { tokensArg } from './args.ts'

const { json, debug } = commonArgs

const args = {
  name: { type: 'string', required: true, description: 'Who it is for', valueHint: 'name' },
  scope: {
    type: 'string',
    description: 'What it allows: read, operate, enqueue:<tasks>, work:<queues> or admin; repeatable',
    valueHint: 'scope',
  },
  expires: { type: 'string', description: 'How long it is good (default for ever)', valueHint: '30d' },
  ...tokensArg,
  json,
  debug,
} as const

export default command({
  name: 'create',
  description: 'Make a token, print it this once, and its record for who serves',
  examples: [
    `tq token create --name ci --scope 'enqueue:email.*' --scope read --expires 30d`,
    `TOKEN=$(tq token create --name app --scope 'enqueue:*' --tokens tokens.json)`,
  ],
  args,
  async run({ name, expires, tokens, json = false }, rawArgs) {
    const scopes = valuesOf('scope', rawArgs, args)
    if (scopes.length === 0) throw new UsageError('expected --scope, what the token allows, got none')
    const expiresAtMs = expires === undefined ? undefined : toExpiresAtMs(expires)
    const { token, record } = await createToken({ name, scopes, ...given({ expiresAtMs }) })
    if (tokens !== undefined) addToken(tokens, record, checkRecord)
    const text = toRecordText(record)
    if (json) printJson({ token, record, text })
    else printToken(token, tokens === undefined ? `for TQ_TOKENS: ${text}` : `${toWords(record)} added to ${tokens}`)
    return OK
  },
})

/** The token alone is data. */
function printToken(token: string, note: string): void {
  printLine(token)
  printNote(note)
}

const toWords = ({ name, scopes }: TokenRecord) => `${name} (${scopes.join(' ')})`
