/** What the process says when it exits: see the table in docs/cli.md. */
export const OK = 0
/** The job or the operation failed. */
export const FAILED = 1
/** The command line, the app or another setting is not what it has to be. */
export const MISUSED = 2
/** A second signal forced the exit (128 + SIGINT, as shells have it). */
export const FORCED = 130

/** Errors that no resend and no waiting mends: whoever typed the command has to change something. */
const MISUSE: ReadonlySet<string> = new Set([
  'UsageError',
  'AppNotFound',
  'BrokenApp',
  'NotAnApp',
  'InvalidOption',
  'InvalidInput',
  'UnknownTask',
  'DuplicateName',
  'ScheduleExists',
  'ScheduleDeclared',
  'ScheduleUnreadable',
  'TooLarge',
  'NotSerializable',
  'Unsupported',
  'UnusableStore',
])

export function exitCodeOf(error: Error): number {
  return MISUSE.has(error.name) ? MISUSED : FAILED
}
