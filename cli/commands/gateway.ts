import { serveGateway } from '../../adapters/gateway/index.ts'
import { commonArgs, hostArg, tokensOfEnvironment, wholeNumber } from '../args.ts'
import { command } from '../command.ts'
import { UsageError } from '../errors.ts'
import { OK } from '../exit.ts'
import { valuesOf } from '../flags.ts'
import { DEFAULT_GATEWAY_PORT } from '../port.ts'
import { printJson, printLine } from '../print.ts'
import { untilSignal } from '../signals.ts'
import { readCa } from '../tls.ts'

const DEFAULT_REDIS = 'redis://127.0.0.1:6379'

const { json, debug } = commonArgs
const args = {
  redis: { type: 'string', description: `The Redis or Valkey behind it (default ${DEFAULT_REDIS})`, valueHint: 'url' },
  'redis-ca': { type: 'string', description: 'Certificates, as PEM, to trust for TLS to it', valueHint: 'file' },
  port: { type: 'string', description: `Default ${DEFAULT_GATEWAY_PORT}; 0 takes a free one`, valueHint: 'port' },
  ...hostArg,
  token: {
    type: 'string',
    description: 'A bearer token that callers may use; repeatable (also TQ_GATEWAY_TOKENS=a,b)',
    valueHint: 'token',
  },
  'beyond-loopback': { type: 'boolean', description: 'Let --host be one that other machines reach; put TLS in front' },
  json,
  debug,
} as const

export default command({
  name: 'gateway',
  description: 'Serve the Upstash REST protocol in front of a Redis or Valkey',
  examples: [
    'tq gateway --token "$TOKEN"',
    'tq gateway --redis redis+cluster://10.0.0.5:6379,10.0.0.6:6379 --token "$TOKEN"',
    'tq gateway --redis redis://10.0.0.5:6379 --host 0.0.0.0 --beyond-loopback',
    'UPSTASH_REDIS_REST_URL=http://127.0.0.1:8079 UPSTASH_REDIS_REST_TOKEN="$TOKEN" tq work',
  ],
  args,
  async run(
    { redis = DEFAULT_REDIS, 'redis-ca': redisCa, port, host, 'beyond-loopback': beyondLoopback = false, json = false },
    rawArgs,
  ) {
    const tokens = [...valuesOf('token', rawArgs, args), ...tokensOfEnvironment('TQ_GATEWAY_TOKENS')]
    if (tokens.length === 0) throw new UsageError('expected a token, got none: set TQ_GATEWAY_TOKENS, or pass --token')
    const server = await serveGateway({
      redis,
      ...(redisCa === undefined ? {} : { redisCa: readCa('--redis-ca', redisCa) }),
      tokens,
      beyondLoopback,
      port: wholeNumber('port', port, { min: 0, max: 65_535 }) ?? DEFAULT_GATEWAY_PORT,
      ...(host ? { hostname: host } : {}),
    })
    if (json) printJson({ kind: 'gateway.listening', url: server.url })
    else printLine(`listening on ${server.url}`)
    await untilSignal()
    await server.close()
    return OK
  },
})
