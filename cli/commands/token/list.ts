import { systemClock } from '../../../src/clock.ts'
import { commonArgs } from '../../args.ts'
import { command } from '../../command.ts'
import { OK } from '../../exit.ts'
import { printJson, printLine, toTable } from '../../print.ts'
import { toTime } from '../../times.ts'
import { type AnyToken, checkAnyToken, readTokens } from '../../token-file.ts'
import { requiredFile, tokensArg } from './args.ts'
import { toRightsText } from './rights-text.ts'

const { json, debug } = commonArgs

export default command({
  name: 'list',
  description: 'List the tokens of a file: who they are for, what they allow, until when',
  examples: ['tq token list --tokens tokens.json'],
  args: { ...tokensArg, json, debug },
  async run({ tokens, json }) {
    const records = readTokens(requiredFile(tokens), checkAnyToken)
    if (json) printJson(records)
    else
      printLine(
        toTable(
          ['NAME', 'SCOPES', 'EXPIRES', ''],
          records.map((record) => {
            const { name = '-', expiresAtMs = null } = record
            const isExpired = expiresAtMs !== null && expiresAtMs <= systemClock.now()
            return [name, scopesOf(record), toTime(expiresAtMs), isExpired ? 'expired' : '']
          }),
        ),
      )
    return OK
  },
})

function scopesOf(record: AnyToken): string {
  return 'scopes' in record ? record.scopes.join(' ') : toRightsText(record)
}
