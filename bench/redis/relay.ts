/**
 * The processes between a contender and Redis, each started as `relay.ts <kind> ...`; says `port <number>`, ends with its stdin.
 *
 * `gateway <redis url> <token>`, `delay <port> <round trip ms>`.
 *
 * @module
 */
import { serveGateway } from '../../adapters/gateway/index.ts'
import { createDelay } from './delay.ts'

const [, , kind, target = '', value = ''] = process.argv
const { port } =
  kind === 'gateway'
    ? await serveGateway({ redis: target, tokens: [value], port: 0 })
    : await createDelay(Number(target), Number(value))
process.stdout.write(`port ${port}\n`)
process.stdin.on('end', () => process.exit()).resume()
