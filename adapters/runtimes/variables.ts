import type { QueueBounds } from '../../src/bounds.ts'
import type { Broker } from '../../src/broker.ts'
import { InvalidOption } from '../../src/errors.ts'
import { checkSecret } from '../../src/hmac.ts'
import type { TransitionOptions } from '../../src/transitions.ts'
import { type RedisBrokerOptions, redisBroker } from '../brokers/redis/index.ts'

/** A platform's variables, bindings and secrets by name. */
export type Variables = Readonly<Record<string, unknown>>

/** Upstash's names, and those that Vercel gives to the same. */
const REDIS_NAMES = [
  ['UPSTASH_REDIS_REST_URL', 'UPSTASH_REDIS_REST_TOKEN'],
  ['KV_REST_API_URL', 'KV_REST_API_TOKEN'],
] as const

/** The process's own, where there is such a thing. */
export function environment(): Variables {
  return (globalThis as { process?: { env?: Variables } }).process?.env ?? {}
}

/** The text of a variable; undefined when it is not set. Throws `InvalidOption` for a binding that is no text. */
export function variable(variables: Variables, name: string): string | undefined {
  const value = variables[name]
  if (value === undefined || value === '') return undefined
  if (typeof value !== 'string') throw new InvalidOption(name, 'a variable or a secret', `a binding of another kind`)
  return value
}

/** Those that are texts: a binding of another kind is no secret. */
export function textsOf(variables: Variables): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  )
}

/** Throws `InvalidOption`, which names the variable, for one that is missing. */
export function requiredVariable(variables: Variables, name: string, what: string): string {
  const value = variable(variables, name)
  if (value === undefined) throw new InvalidOption(name, `${what}, as a variable or a secret`, 'none')
  return value
}

/** Where the variables say that jobs are kept; undefined when they name no Redis. Throws `InvalidOption` for half of it. */
export function redisOf(variables: Variables): Pick<RedisBrokerOptions, 'url' | 'token' | 'prefix'> | undefined {
  for (const [urlName, tokenName] of REDIS_NAMES) {
    const url = variable(variables, urlName)
    if (url === undefined) continue
    const prefix = variable(variables, 'TQ_PREFIX')
    const token = requiredVariable(variables, tokenName, `the token of ${urlName}`)
    return { url, token, ...(prefix === undefined ? {} : { prefix }) }
  }
  return undefined
}

/** What a queue may hold, for any broker, which checks what is said. */
export function boundsOf(variables: Variables): QueueBounds {
  const [maxReady, maxTimed, whenFull] = ['TQ_MAX_READY', 'TQ_MAX_TIMED', 'TQ_WHEN_FULL'].map((name) =>
    variable(variables, name),
  )
  return {
    ...(maxReady === undefined ? {} : { maxReady: Number(maxReady) }),
    ...(maxTimed === undefined ? {} : { maxTimed: Number(maxTimed) }),
    ...(whenFull === undefined ? {} : { whenFull: whenFull as NonNullable<QueueBounds['whenFull']> }),
  }
}

/** Whether a broker keeps events, and how many: `1` or `true`, `0` or `false`, or their number. */
export function eventsOf(variables: Variables): TransitionOptions {
  const text = variable(variables, 'TQ_EVENTS')
  if (text === undefined) return {}
  if (/^(0|1|true|false)$/.test(text)) return { events: text === '1' || text === 'true' }
  return { events: { maxEvents: Number(text) } }
}

/** The broker of an invocation: it polls, for no stream of hints outlives one. Throws `InvalidOption` without a Redis. */
export function edgeBroker(variables: Variables): Broker {
  const redis = redisOf(variables)
  if (!redis) requiredVariable(variables, REDIS_NAMES[0][0], 'the address of a Redis REST API')
  return redisBroker({
    ...(redis as RedisBrokerOptions),
    ...boundsOf(variables),
    ...eventsOf(variables),
    subscribe: false,
  })
}

/** The secrets in a variable, by commas, the one to sign with first; none where there are none. Throws `InvalidOption` for one too short. */
export function secretsOf(variables: Variables, name: 'TQ_KICK_SECRET' | 'TQ_LINK_SECRET'): readonly string[] {
  const secrets = variable(variables, name)?.split(',') ?? []
  return secrets.map((secret) => checkSecret(name, secret.trim()))
}

/** Private hosts that callbacks and pings may go to, by commas. */
export function hostsOf(variables: Variables): readonly string[] {
  const hosts = variable(variables, 'TQ_ALLOW_HOSTS')?.split(',') ?? []
  return hosts.map((host) => host.trim()).filter(Boolean)
}

/** The secrets that callbacks are signed with, by commas; none where there are none. `sendCallbacks` checks them. */
export function callbackSecretsOf(variables: Variables): readonly string[] {
  const secrets = variable(variables, 'TQ_CALLBACK_SECRET')?.split(',') ?? []
  return secrets.map((secret) => secret.trim())
}

/** The bearer tokens of callers, or the records of those with scopes, by commas. Throws `InvalidOption` without any: never open by accident. */
export function tokensOf(variables: Variables): readonly string[] {
  const tokens = requiredVariable(variables, 'TQ_TOKENS', 'bearer tokens of callers, separated by commas').split(',')
  return tokens.map((token) => token.trim()).filter(Boolean)
}
