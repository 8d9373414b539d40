import { commonArgs } from '../../args.ts'
import { command } from '../../command.ts'
import { FAILED, OK } from '../../exit.ts'
import { printJson, printLine } from '../../print.ts'
import { checkAnyToken, readTokens, writeTokens } from '../../token-file.ts'
import { requiredFile, tokensArg } from './args.ts'

const { json, debug } = commonArgs

export default command({
  name: 'revoke',
  description: 'Take a token out of a file; who serves with that file refuses it within a second',
  examples: ['tq token revoke ci --tokens tokens.json'],
  args: {
    name: { type: 'positional', required: true, description: 'Who it was for' },
    ...tokensArg,
    json,
    debug,
  },
  async run({ name, tokens, json }) {
    const path = requiredFile(tokens)
    const records = readTokens(path, checkAnyToken)
    const kept = records.filter((record) => record.name !== name)
    const outcome = kept.length < records.length ? 'revoked' : 'unknown'
    if (outcome === 'revoked') writeTokens(path, kept)
    if (json) printJson({ name, outcome })
    else printLine(`${name}  ${outcome}`)
    return outcome === 'revoked' ? OK : FAILED
  },
})
