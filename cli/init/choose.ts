import { createInterface } from 'node:readline'
import { UsageError } from '../errors.ts'
import { didYouMean } from '../flags.ts'

/** Where a question is put and answered. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
}

/** Asks until the answer is one of them; an empty one is the first. Throws `UsageError` when the input ends, as by Ctrl-C. */
export async function choose<const Choice extends string>(
  question: string,
  choices: readonly [Choice, ...Choice[]],
  { input, output }: Terminal,
): Promise<Choice> {
  const [first, ...others] = choices
  const lines = createInterface({ input, output, prompt: `${question} (${[`[${first}]`, ...others].join(', ')}) ` })
  try {
    lines.prompt()
    for await (const line of lines) {
      const answer = line.trim()
      const chosen = answer === '' ? first : choices.find((choice) => choice === answer)
      if (chosen !== undefined) return chosen
      output.write(`expected one of them, got "${answer}"${didYouMean(answer, choices, '')}\n`)
      lines.prompt()
    }
    throw new UsageError(`expected an answer to "${question}", got none`)
  } finally {
    lines.close()
  }
}
