import type { Command } from './command.ts'

/**
 * Commands that are refused: all requests share one connection, which none of them may block, or leave in another state
 * than it was in; and no token may stop or re-configure the server.
 *
 * The texts are Upstash's.
 */
const special = (name: string) => `ERR Command "${name}" is not allowed in REST or it has a special context path`
const absent = (name: string) =>
  `ERR Command is not available: '${name}'. See https://upstash.com/docs/redis/overall/rediscompatibility for details`

const SPECIAL = `AUTH HELLO RESET QUIT CLIENT MULTI EXEC DISCARD WATCH UNWATCH MONITOR SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE
  PUNSUBSCRIBE SSUBSCRIBE SUNSUBSCRIBE`
const ABSENT = `BLPOP BRPOP BRPOPLPUSH BLMOVE BLMPOP BZPOPMIN BZPOPMAX BZMPOP READONLY READWRITE ASKING SYNC PSYNC
  REPLCONF REPLICAOF SLAVEOF FAILOVER SHUTDOWN DEBUG MODULE`

type Rule = (command: Command, name: string) => string | undefined

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...SPECIAL.split(/\s+/).map((name): [string, Rule] => [name, () => special(name)]),
  ...ABSENT.split(/\s+/).map((name): [string, Rule] => [name, () => absent(name)]),
  ['XREAD', refuseBlock],
  ['XREADGROUP', refuseBlock],
  ['SELECT', ([, database], name) => (String(database) === '0' ? undefined : absent(name))],
  // By it nodes of Valkey hand slots over, on a connection that serves nothing else.
  ['CLUSTER', ([, word], name) => (upper(word) === 'SYNCSLOTS' ? absent(`${name} SYNCSLOTS`) : undefined)],
  ['SCRIPT', ([, word], name) => (upper(word) === 'DEBUG' ? absent(name) : undefined)],
  ['CONFIG', refuseConfiguring],
])

/** The error for a command that is refused, `undefined` for any other. */
export function refusalOf(command: Command): string | undefined {
  const name = upper(command[0])
  return RULES.get(name)?.(command, name)
}

/** How many words an option of `XREAD` and `XREADGROUP` takes: a group may be called STREAMS, and behind STREAMS a key may have any name. */
const OPTION_WORDS: ReadonlyMap<string, number> = new Map([
  ['COUNT', 1],
  ['MAXCOUNT', 1],
  ['MAXSIZE', 1],
  ['GROUP', 2],
  ['CLAIM', 1],
  ['NOACK', 0],
])

function refuseBlock(command: Command): string | undefined {
  for (let at = 1; at < command.length; at++) {
    const word = upper(command[at])
    if (word === 'BLOCK') return absent(`${upper(command[0])} BLOCK`)
    if (word === 'STREAMS') return undefined
    const words = OPTION_WORDS.get(word)
    // A newer Redis may know it, and a BLOCK behind it.
    if (words === undefined) return 'ERR syntax error'
    at += words
  }
  return undefined
}

function refuseConfiguring([, word, key, , ...more]: Command, name: string): string | undefined {
  const isAllowed = upper(key) === 'NOTIFY-KEYSPACE-EVENTS' && more.length === 0
  if (upper(word) === 'SET' && !isAllowed) return absent(`${name} SET`)
  return upper(word) === 'REWRITE' ? absent(`${name} REWRITE`) : undefined
}

/** A word as Redis compares it: in any case, and no further than a NUL, where its strings end: `SHUTDOWN\0x` may shut it down. */
export function upper(word: string | Buffer | undefined): string {
  const text = String(word ?? '').toUpperCase()
  const end = text.indexOf('\0')
  return end === -1 ? text : text.slice(0, end)
}
