/** What happens to a gateway; it prints nothing itself. */
export type GatewayEvent =
  | { readonly type: 'redis.lost'; readonly reason: string }
  | { readonly type: 'redis.back' }
  /** A subscriber read too slowly; its stream was closed so that what waits for it does not fill the memory. */
  | { readonly type: 'subscriber.dropped'; readonly channel: string }

export type OnGatewayEvent = (event: GatewayEvent) => void

/** A request that has been answered: what it asked for, and of no command more than its name. No key, no value, no token. */
export interface GatewayRequest {
  readonly method: string
  /** `command`, `pipeline`, `multi-exec`, `subscribe`, `psubscribe`, `monitor`, `healthz`, `readyz` or `metrics`. */
  readonly route: string
  readonly status: number
  readonly durationMs: number
  /** How often each; those that Redis does not know are `?`. */
  readonly commands: Readonly<Record<string, number>>
  /** The name of its token, where that has one; of an ACL token its user as `acl:web`, or `acl:?` where that is not safe to print. */
  readonly token: string | undefined
  readonly address: string | undefined
}

export type OnGatewayRequest = (request: GatewayRequest) => void
