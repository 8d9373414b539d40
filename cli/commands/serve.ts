import { type Callers, createCallers } from '../../adapters/runtimes/callers.ts'
import { listen, type PeerHandler } from '../../adapters/runtimes/listen.ts'
import { secretsOf } from '../../adapters/runtimes/variables.ts'
import { createSchedules } from '../../scheduler/index.ts'
import { systemClock } from '../../src/clock.ts'
import { InvalidOption } from '../../src/errors.ts'
import {
  type Api,
  type ApiOptions,
  brokerRoutes,
  type Cors,
  cors,
  createApi,
  rateLimits,
  type Tokens,
} from '../../src/http/index.ts'
import { openApi } from '../../src/http/openapi/index.ts'
import { checkRecord } from '../../src/http/tokens.ts'
import { isLoopback } from '../../src/networks.ts'
import { appPositional, commonArgs, hostArg, names, tokensOfEnvironment, wholeNumber } from '../args.ts'
import { withBroker } from '../broker.ts'
import { command } from '../command.ts'
import { findAppIfAny, loadApp } from '../config.ts'
import { UsageError } from '../errors.ts'
import { OK } from '../exit.ts'
import { valuesOf } from '../flags.ts'
import { createLog } from '../log.ts'
import { byOwnName } from '../loopback.ts'
import { DEFAULT_PORT } from '../port.ts'
import { printJson, printLine, printNote } from '../print.ts'
import { rateLimitArgs, toRateLimits } from '../rate-limits.ts'
import { untilSignal } from '../signals.ts'
import { readTls } from '../tls.ts'
import { followTokens, withFixed } from '../token-file.ts'

const LOOPBACK = '127.0.0.1'

const args = {
  ...appPositional,
  port: { type: 'string', description: 'Default 8787; 0 takes a free one', valueHint: 'port' },
  ...hostArg,
  token: {
    type: 'string',
    description: 'A bearer token that callers may use; repeatable (also TQ_TOKENS=a,b)',
    valueHint: 'token',
  },
  tokens: {
    type: 'string',
    description: 'A file of tokens with scopes, made by tq token create; a change counts within a second',
    valueHint: 'path',
  },
  auth: {
    type: 'boolean',
    default: true,
    description: 'Ask callers for a token',
    negativeDescription: 'Ask for no token, and serve this machine alone',
  },
  ...rateLimitArgs,
  'trusted-proxies': {
    type: 'string',
    description: 'The proxies in front, whose X-Forwarded-* headers count: how many, or their addresses and networks',
    valueHint: 'n|a,b/8',
  },
  'tls-cert': { type: 'string', description: 'Serve HTTPS with this certificate, as PEM', valueHint: 'path' },
  'tls-key': { type: 'string', description: 'The private key of that certificate, as PEM', valueHint: 'path' },
  'cors-origin': {
    type: 'string',
    description: 'Let pages of this origin call, each with a token of its own; repeatable',
    valueHint: 'origin',
  },
  'broker-routes': {
    type: 'boolean',
    description: 'Let other processes use this broker as theirs: whoever has a token may then do everything',
  },
  docs: {
    type: 'boolean',
    default: true,
    description: 'Serve /openapi.json and /docs',
    negativeDescription: 'Serve no /openapi.json and no /docs',
  },
  ...commonArgs,
} as const

export default command({
  name: 'serve',
  description: 'Take jobs over HTTP, and changes of schedules',
  examples: [
    'TQ_TOKENS="$TOKEN" tq serve --host 0.0.0.0 --port 8080',
    'tq serve --tokens tokens.json          with tokens of tq token create',
    'tq serve --no-auth                     on this machine alone',
    'tq serve --rate-limit 100/10s          each token, over all servers',
    'tq serve --trusted-proxies 1           behind one proxy',
    'tq serve --host 0.0.0.0 --port 443 --tls-cert cert.pem --tls-key key.pem',
    `curl -X POST localhost:8787/v1/tasks/greet -H "Authorization: Bearer $TOKEN" --json '{"name":"Ada"}'`,
  ],
  args,
  async run({ app, path, auth, tokens: file, host = LOOPBACK, port, db, json = false, ...flags }, rawArgs) {
    const options = { port: wholeNumber('port', port, { min: 0, max: 65_535 }) ?? DEFAULT_PORT, hostname: host }
    const fixed = [...valuesOf('token', rawArgs, args), ...tokensOfEnvironment('TQ_TOKENS')]
    const tokens = tokensOf(auth, fixed, file, host)
    const limits = toRateLimits(flags)
    if (tokens === 'none' && limits?.perToken)
      throw new UsageError('expected --rate-limit with tokens, got --no-auth, which asks for none')
    const tls = readTls({ cert: flags['tls-cert'], key: flags['tls-key'] })
    const callers = callersOf(flags['trusted-proxies'], tokens)
    const pages = corsOf(valuesOf('cors-origin', rawArgs, args), tokens)
    const appFile = findAppIfAny(app ?? path)
    const loaded = appFile ? (await loadApp(appFile)).app : undefined
    if (!loaded) printNote('no tq.config.ts here: names of tasks and inputs are not checked')
    return withBroker({ db }, async (broker) => {
      const onEvent = createLog({ json })
      const api = createApi({
        app: loaded,
        broker,
        tokens,
        rateLimits: limits && rateLimits(limits),
        addressOf: callers.addressOf,
        cors: pages,
        linkSecrets: secretsOf(process.env, 'TQ_LINK_SECRET'),
        onEvent,
        brokerRoutes: flags['broker-routes'] ? brokerRoutes : undefined,
        openapi: flags.docs ? openApi() : undefined,
        schedules: createSchedules({ broker, app: loaded, onEvent }),
        webhooks: loaded?.webhooks?.(process.env),
      })
      const server = await listen(handlerOf(api, tokens, callers), { ...options, tls })
      if (json) printJson({ kind: 'http.listening', url: server.url })
      else printLine(`listening on ${server.url}`)
      await untilSignal()
      await server.close()
      return OK
    })
  },
})

function handlerOf(api: Api, tokens: ApiOptions['tokens'], callers: Callers): PeerHandler {
  if (tokens === 'none') return byOwnName((request) => api.fetch(request))
  return (request, peerOf) => api.fetch(callers.receive(request, peerOf))
}

function callersOf(text: string | undefined, tokens: ApiOptions['tokens']): Callers {
  if (text !== undefined && tokens === 'none')
    throw new UsageError('expected --trusted-proxies with tokens, got --no-auth, which serves this machine alone')
  const named = /^\d+$/.test(text ?? '') ? Number(text) : names('trusted-proxies', text)
  const onUnnamedProxy = (address: string) =>
    printNote(
      `a proxy at ${address} says for whom it calls, and --trusted-proxies does not name it: failed checks are not slowed down`,
    )
  return ofFlag('--trusted-proxies', () => createCallers({ trustedProxies: named, onUnnamedProxy }))
}

function corsOf(origins: readonly string[], tokens: ApiOptions['tokens']): Cors | undefined {
  if (origins.length === 0) return undefined
  if (tokens !== 'none') return ofFlag('--cors-origin', () => cors({ origins }))
  throw new UsageError('expected --cors-origin with tokens, got --no-auth, which no page of another site may call')
}

/** What an option of the API refuses is said of the flag that it came by. */
function ofFlag<T>(flag: string, create: () => T): T {
  try {
    return create()
  } catch (error) {
    if (error instanceof InvalidOption) throw new InvalidOption(flag, error.expected, error.got)
    throw error
  }
}

/** Never open by accident: without a token only when told so, and then to this machine alone. */
function tokensOf(
  auth: boolean,
  fixed: readonly string[],
  file: string | undefined,
  host: string,
): ApiOptions['tokens'] {
  const hasTokens = fixed.length > 0 || file !== undefined
  if (auth && hasTokens) return file === undefined ? fixed : withFile(fixed, file)
  if (auth)
    throw new UsageError(
      'expected a token, got none: set TQ_TOKENS, pass --token or --tokens, or --no-auth to serve this machine alone',
    )
  if (hasTokens) throw new UsageError('expected --no-auth or tokens, got both: leave one of them out')
  if (!isLoopback(host))
    throw new UsageError(
      `expected --no-auth to listen on this machine alone, got --host ${host}: set TQ_TOKENS to serve others`,
    )
  return 'none'
}

function withFile(fixed: readonly string[], path: string): () => Tokens {
  const recordsNow = followTokens({
    path,
    check: checkRecord,
    monotonic: systemClock.monotonic,
    onBroken: (error) => printNote(`${error.message}; the tokens as they were before are good still`),
  })
  return withFixed(fixed, recordsNow)
}
