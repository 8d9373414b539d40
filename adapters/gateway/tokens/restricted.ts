import { type Command, upper } from '../protocol/command.ts'

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
  REPLCONF REPLICAOF SLAVEOF FAILOVER SHUTDOWN DEBUG MODULE SAVE MIGRATE PFDEBUG PFSELFTEST`
/** What only tells of a cluster; newer Redis and Valkey know ever more that changes one. */
const CLUSTER_READS: ReadonlySet<string> = new Set(
  `INFO NODES SLOTS SHARDS LINKS MYID MYSHARDID KEYSLOT COUNTKEYSINSLOT GETKEYSINSLOT COUNT-FAILURE-REPORTS REPLICAS SLAVES
  SLOT-STATS GETSLOTMIGRATIONS HELP`.split(/\s+/),
)

type Rule = (command: Command, name: string) => string | undefined

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...SPECIAL.split(/\s+/).map((name): [string, Rule] => [name, () => special(name)]),
  ...ABSENT.split(/\s+/).map((name): [string, Rule] => [name, () => absent(name)]),
  ['XREAD', refuseBlock],
  ['XREADGROUP', refuseBlock],
  ['SELECT', ([, database], name) => (String(database) === '0' ? undefined : absent(name))],
  ['SCRIPT', ([, word], name) => (upper(word) === 'DEBUG' ? absent(name) : undefined)],
  ['CONFIG', refuseConfiguring],
  ['CLUSTER', refuseClustering],
])

/** Says the error for a command that is refused, `undefined` for any other. Nobody is to lock out `user`, as whom the gateway is known to Redis. */
export function createRestrictions(user = 'default'): (command: Command) => string | undefined {
  const rules = new Map([...RULES, ['ACL', refuseAcl(user)] as const])
  return (command) => {
    const name = upper(command[0])
    return rules.get(name)?.(command, name)
  }
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

function refuseClustering([, word]: Command, name: string): string | undefined {
  return word === undefined || CLUSTER_READS.has(upper(word)) ? undefined : absent(`${name} ${upper(word)}`)
}

/** As on Upstash, where nobody edits the default user either. */
function refuseAcl(user: string): Rule {
  return ([, word, ...users], name) => {
    const verb = upper(word)
    if (verb === 'LOAD' || verb === 'SAVE') return absent(`${name} ${verb}`)
    const changed = verb === 'SETUSER' ? users.slice(0, 1) : verb === 'DELUSER' ? users : []
    const own = changed.map(String).find((one) => one === user || one === 'default')
    return own === undefined ? undefined : `ERR The '${own}' user cannot be changed through the gateway`
  }
}
