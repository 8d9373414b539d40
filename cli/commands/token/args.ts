import { UsageError } from '../../errors.ts'

export const tokensArg = {
  tokens: {
    type: 'string',
    description: 'The file of records, as --tokens of tq serve or tq gateway reads it',
    valueHint: 'path',
  },
} as const

export function requiredFile(tokens: string | undefined): string {
  if (tokens !== undefined) return tokens
  throw new UsageError('expected --tokens <path>, the file of records, got none')
}
