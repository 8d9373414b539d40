import { type GatewayToken, type GatewayTokens, serveGateway } from '../../adapters/gateway/index.ts'
import { parseAddress, placeOf } from '../../adapters/gateway/redis/address.ts'
import { checkGatewayToken } from '../../adapters/gateway/tokens/token.ts'
import { systemClock } from '../../src/clock.ts'
import { BrokerUnavailable } from '../../src/errors.ts'
import { isLoopback } from '../../src/networks.ts'
import { commonArgs, given, hostArg, names, secondsAsMs, tokensOfEnvironment, wholeNumber } from '../args.ts'
import { command } from '../command.ts'
import { UsageError } from '../errors.ts'
import { OK } from '../exit.ts'
import { valuesOf } from '../flags.ts'
import { createGatewayLog } from '../gateway-log.ts'
import { DEFAULT_GATEWAY_PORT } from '../port.ts'
import { printJson, printLine, printNote } from '../print.ts'
import { createSettings, type Settings } from '../settings.ts'
import { onHangup, untilSignal } from '../signals.ts'
import { readCa, readTls } from '../tls.ts'
import { followTokens, withFixed } from '../token-file.ts'

/** Wrong tokens are refused as fast as they come: slowing them down would slow down all callers behind the same proxy. */
const MIN_TOKEN_CHARS = 16
const DEFAULT_REDIS = 'redis://127.0.0.1:6379'

/** What may stand in the environment and in the config file as well. */
const settingArgs = {
  redis: { type: 'string', description: `The Redis or Valkey behind it (default ${DEFAULT_REDIS})`, valueHint: 'url' },
  'redis-ca': { type: 'string', description: 'Certificates, as PEM, to trust for TLS to it', valueHint: 'file' },
  port: { type: 'string', description: `Default ${DEFAULT_GATEWAY_PORT}; 0 takes a free one`, valueHint: 'port' },
  ...hostArg,
  tokens: {
    type: 'string',
    description:
      'A file of tokens with rights, made by tq token gateway; a change counts within a second, at SIGHUP at once',
    valueHint: 'path',
  },
  'tls-cert': { type: 'string', description: 'Serve HTTPS with this certificate, as PEM', valueHint: 'path' },
  'tls-key': { type: 'string', description: 'The private key of that certificate, as PEM', valueHint: 'path' },
  'beyond-loopback': {
    type: 'boolean',
    description: 'Without TLS, let --host be one that other machines reach; put TLS in front',
  },
  'trusted-proxies': {
    type: 'string',
    description: 'The proxies in front, for the addresses in the access log: how many, or their addresses and networks',
    valueHint: 'n|a,b/8',
  },
  'max-body-bytes': {
    type: 'string',
    description: 'The largest body of a request (default 10 MiB)',
    valueHint: 'bytes',
  },
  'max-reply-bytes': {
    type: 'string',
    description: 'The largest reply to one command (default 10 MiB)',
    valueHint: 'bytes',
  },
  'max-response-bytes': {
    type: 'string',
    description: 'The most that the replies to one pipeline are together (default 64 MiB)',
    valueHint: 'bytes',
  },
  'max-commands': {
    type: 'string',
    description: 'The most commands of a pipeline or a transaction (default 100000)',
    valueHint: 'n',
  },
  'max-subscribers': { type: 'string', description: 'The most streams at a time (default 10000)', valueHint: 'n' },
  deadline: {
    type: 'string',
    description: 'How long Redis may take for one request (default 10)',
    valueHint: 'seconds',
  },
  'access-log': { type: 'boolean', description: 'Print every request: names of commands, no keys, values or tokens' },
  json: { type: 'boolean', description: 'Print JSON' },
} as const

const args = {
  config: {
    type: 'string',
    description: 'A JSON file with these flags for fields (also TQ_GATEWAY_CONFIG); flags and environment go before',
    valueHint: 'path',
  },
  token: {
    type: 'string',
    description: 'A bearer token for everything; repeatable (also TQ_GATEWAY_TOKENS=a,b)',
    valueHint: 'token',
  },
  ...settingArgs,
  debug: commonArgs.debug,
} as const

type Name = keyof typeof settingArgs

export default command({
  name: 'gateway',
  description: 'Serve the Upstash REST protocol in front of a Redis or Valkey',
  examples: [
    'tq gateway --token "$TOKEN"',
    'tq gateway --redis redis+cluster://10.0.0.5:6379,10.0.0.6:6379 --token "$TOKEN"',
    'tq gateway --redis redis://10.0.0.5:6379 --tokens gateway-tokens.json   with tokens of tq token gateway',
    'tq gateway --host 0.0.0.0 --port 443 --tls-cert cert.pem --tls-key key.pem --access-log',
    'tq gateway --config /etc/tq/gateway.json',
    'UPSTASH_REDIS_REST_URL=http://127.0.0.1:8079 UPSTASH_REDIS_REST_TOKEN="$TOKEN" tq work',
  ],
  args,
  async run(flags, rawArgs) {
    const settings = createSettings<Name>({
      args: settingArgs,
      flags,
      environment: process.env,
      variableOf,
      path: flags.config ?? process.env.TQ_GATEWAY_CONFIG,
      paths: PATHS,
      refused: { token: 'tokens themselves go to TQ_GATEWAY_TOKENS, or hashed to the file that "tokens" names' },
    })
    const json = settings.isSet('json')
    const { tokens, readAgain } = tokensOf(rawArgs, settings)
    const { onEvent, onRequest } = createGatewayLog({ json })
    const redis = settings.text('redis') ?? DEFAULT_REDIS
    const tls = readTls({ cert: settings.text('tls-cert'), key: settings.text('tls-key') })
    const host = settings.text('host')
    if (host !== undefined && !isLoopback(host) && !tls && !settings.isSet('beyond-loopback'))
      throw new UsageError(
        `expected --tls-cert and --tls-key with a --host that other machines reach, got ${host} alone: behind a proxy with TLS, --beyond-loopback`,
      )
    const server = await serveGateway({
      redis,
      ...given({ redisCa: caOf(settings.text('redis-ca')) }),
      tokens,
      beyondLoopback: settings.isSet('beyond-loopback'),
      port: wholeNumber('port', settings.text('port'), { min: 0, max: 65_535 }) ?? DEFAULT_GATEWAY_PORT,
      tls,
      trustedProxies: proxiesOf(settings.text('trusted-proxies')),
      onEvent,
      ...limitsOf(settings),
      ...given({ hostname: host, onRequest: settings.isSet('access-log') ? onRequest : undefined }),
    }).catch((error: unknown) => {
      throw withPlace(error, redis)
    })
    const ignore = onHangup(() => {
      if (!readAgain) printNote('there is no file of tokens to read again')
      else if (readAgain()) printNote('the tokens have been read again')
    })
    if (json) printJson({ kind: 'gateway.listening', url: server.url })
    else printLine(`listening on ${server.url}`)
    await untilSignal()
    await server.close()
    ignore()
    return OK
  },
})

/** One is called otherwise: TQ_GATEWAY_TOKENS are tokens themselves. */
function variableOf(name: Name): string {
  return name === 'tokens' ? 'TQ_GATEWAY_TOKENS_FILE' : `TQ_GATEWAY_${name.toUpperCase().replaceAll('-', '_')}`
}

const PATHS: ReadonlySet<Name> = new Set<Name>(['redis-ca', 'tokens', 'tls-cert', 'tls-key'])

/** Whoever starts it wants to know which Redis; callers are told the reason alone. */
function withPlace(error: unknown, redis: string): unknown {
  if (!(error instanceof BrokerUnavailable)) return error
  const reason = `${error.reason} (from ${placeOf(parseAddress(redis))}; --redis names another)`
  return new BrokerUnavailable('redis', reason, { cause: error })
}

function caOf(path: string | undefined): string | undefined {
  return path === undefined ? undefined : readCa('--redis-ca', path)
}

function limitsOf(settings: Settings<Name>) {
  const limit = (name: Name) => wholeNumber(name, settings.text(name), { min: 1 })
  return given({
    maxBodyBytes: limit('max-body-bytes'),
    maxReplyBytes: limit('max-reply-bytes'),
    maxResponseBytes: limit('max-response-bytes'),
    maxCommands: limit('max-commands'),
    maxSubscribers: limit('max-subscribers'),
    deadlineMs: deadlineOf(settings.text('deadline')),
  })
}

function deadlineOf(text: string | undefined): number | undefined {
  const deadlineMs = secondsAsMs('deadline', text)
  if (deadlineMs === 0) throw new UsageError(`expected --deadline to be more than 0 seconds, got "${text}"`)
  return deadlineMs
}

function proxiesOf(text: string | undefined): number | readonly string[] | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : names('trusted-proxies', text)
}

interface Told {
  readonly tokens: GatewayTokens | (() => GatewayTokens)
  /** Where there is a file of them. False where it cannot be used, which has been said by then. */
  readonly readAgain?: () => boolean
}

function tokensOf(rawArgs: readonly string[], settings: Settings<Name>): Told {
  const fixed = [...valuesOf('token', rawArgs, args), ...tokensOfEnvironment('TQ_GATEWAY_TOKENS')]
  const path = settings.text('tokens')
  if (path === undefined && fixed.length === 0)
    throw new UsageError('expected a token, got none: set TQ_GATEWAY_TOKENS, or pass --token or --tokens')
  if (fixed.some(({ length }) => length < MIN_TOKEN_CHARS))
    printNote(
      `a token of fewer than ${MIN_TOKEN_CHARS} characters can be guessed: where others reach this gateway, use one of tq token gateway --all`,
    )
  if (path === undefined) return { tokens: fixed }
  let isBroken = false
  const recordsNow = followTokens<GatewayToken>({
    path,
    check: checkGatewayToken,
    monotonic: systemClock.monotonic,
    onBroken: (error) => {
      isBroken = true
      printNote(`${error.message}; the tokens as they were before are good still`)
    },
  })
  const readAgain = () => {
    isBroken = false
    recordsNow({ atOnce: true })
    return !isBroken
  }
  return { tokens: withFixed(fixed, recordsNow), readAgain }
}
