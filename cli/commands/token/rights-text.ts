import type { GatewayToken } from '../../../adapters/gateway/tokens/token.ts'

/** What a token of the gateway's may do, in the words of the flags that have made it. */
export function toRightsText({ all, readOnly, scripts, metrics, prefixes = [], commands = [] }: GatewayToken): string {
  const words = [
    ...(all ? ['all'] : []),
    ...(readOnly ? ['read-only'] : []),
    ...prefixes.map((prefix) => `prefix:${prefix}`),
    ...commands.map((command) => `command:${command}`),
    ...(scripts ? ['scripts'] : []),
    ...(metrics ? ['metrics'] : []),
  ]
  return words.join(' ')
}
