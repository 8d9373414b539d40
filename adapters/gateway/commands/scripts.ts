import { createHash } from 'node:crypto'
import { type Command, upper } from '../protocol/command.ts'
import type { Prepared } from './prepare.ts'

/** The most scripts whose two digests are remembered; one that is forgotten costs its caller a NOSCRIPT. */
const MAX_SCRIPTS = 1_000
const FLAG = 'allow-key-locking'
const SHEBANG = /^#!lua([^\n]*)/

/**
 * Upstash's scripts may ask for key locking in their first line, `#!lua flags=allow-key-locking`, which Redis refuses.
 *
 * The flag is taken away on the way to Redis, so a script has two digests: the one its author computes, of the text with
 * the flag, and the one Redis knows. Callers see the first only.
 */
export function createScripts(): (command: Command) => Prepared {
  const shas = new Map<string, string>()

  /** Without the flag, and with both digests remembered; `undefined` for a script that has no such flag. */
  function strip(script: string): { text: string; sha: string } | undefined {
    const text = withoutFlag(script)
    if (text === undefined) return undefined
    const sha = sha1(script)
    remember(sha, sha1(text))
    return { text, sha }
  }

  function remember(sha: string, shaInRedis: string): void {
    shas.delete(sha)
    shas.set(sha, shaInRedis)
    const [oldest] = shas.keys()
    if (shas.size > MAX_SCRIPTS && oldest !== undefined) shas.delete(oldest)
  }

  const known = (sha: string | Buffer) => shas.get(String(sha).toLowerCase()) ?? sha

  function evaluate(command: Command): Prepared {
    const stripped = strip(String(command[1]))
    return { command: stripped ? replaced(command, 1, stripped.text) : command }
  }

  function evaluateSha(command: Command): Prepared {
    return { command: shas.size > 0 && command[1] !== undefined ? replaced(command, 1, known(command[1])) : command }
  }

  function script(command: Command): Prepared {
    const word = upper(command[1])
    if (word === 'EXISTS') return { command: [...command.slice(0, 2), ...command.slice(2).map(known)] }
    const stripped = word === 'LOAD' ? strip(String(command[2])) : undefined
    if (!stripped) return { command }
    return { command: replaced(command, 2, stripped.text), answer: () => Buffer.from(stripped.sha) }
  }

  const steps = new Map([
    ['EVAL', evaluate],
    ['EVAL_RO', evaluate],
    ['EVALSHA', evaluateSha],
    ['EVALSHA_RO', evaluateSha],
    ['SCRIPT', script],
  ])
  return (command) => steps.get(upper(command[0]))?.(command) ?? { command }
}

/** The script without the flag, or `undefined` where it has none. An emptied first line stays, for line numbers in errors. */
function withoutFlag(script: string): string | undefined {
  const words = SHEBANG.exec(script)?.[1]
  if (words === undefined || !words.includes(FLAG)) return undefined
  const flags = (/flags=(\S*)/.exec(words)?.[1] ?? '').split(',')
  const kept = flags.filter((flag) => flag !== FLAG)
  // With no flag left the whole line goes: Redis treats a bare `#!lua` by stricter rules than a script without one.
  const line = kept.length > 0 ? `#!lua${words.replace(/flags=\S*/, `flags=${kept.join(',')}`)}` : ''
  return script.replace(SHEBANG, () => line)
}

function replaced(command: Command, at: number, argument: string | Buffer): Command {
  command[at] = argument
  return command
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}
