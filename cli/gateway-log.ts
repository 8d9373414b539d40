/** What happens to a gateway, and its access log, as lines or as JSON. */
import type { GatewayEvent, GatewayRequest } from '../adapters/gateway/index.ts'
import { printJson, printLine, printNote } from './print.ts'
import { toDuration } from './times.ts'

export interface GatewayLog {
  readonly onEvent: (event: GatewayEvent) => void
  readonly onRequest: (request: GatewayRequest) => void
}

export function createGatewayLog({ json, now = Date.now }: { json: boolean; now?: () => number }): GatewayLog {
  if (json)
    return {
      onEvent: ({ type, ...event }) => printJson({ atMs: now(), kind: `gateway.${type}`, ...withoutChannel(event) }),
      onRequest: (request) =>
        printJson({ atMs: now(), kind: 'gateway.request', ...request, durationMs: toMicroseconds(request.durationMs) }),
    }
  return {
    onEvent: (event) => printNote(toEventLine(event)),
    onRequest: (request) => printLine(`${new Date(now()).toISOString()}  ${toRequestLine(request)}`),
  }
}

export function toRequestLine({ method, route, status, durationMs, commands, token, address }: GatewayRequest): string {
  const counts = Object.entries(commands).map(([name, count]) => (count === 1 ? name : `${name} x${count}`))
  const parts = [method, route, status, toDuration(durationMs), token ?? '-', address ?? '-', counts.join(' ')]
  return parts.join('  ').trimEnd()
}

function toEventLine(event: GatewayEvent): string {
  if (event.type === 'redis.lost') return `redis is away: ${event.reason}`
  if (event.type === 'redis.back') return 'redis is back'
  return 'a subscriber that did not read was cut off'
}

/** Finer than that no clock of a runtime is; the other digits are noise. */
function toMicroseconds(durationMs: number): number {
  return Math.round(durationMs * 1_000) / 1_000
}

/** A channel is as much of the callers' as a key. */
function withoutChannel<T extends object>(event: T): Omit<T, 'channel'> {
  const { channel: _, ...rest }: T & { readonly channel?: string } = event
  return rest as Omit<T, 'channel'>
}
