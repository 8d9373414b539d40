/** What happens to a gateway; it prints nothing itself. */
export type GatewayEvent =
  | { readonly type: 'redis.lost'; readonly reason: string }
  | { readonly type: 'redis.back' }
  /** A subscriber read too slowly; its stream was closed so that what waits for it does not fill the memory. */
  | { readonly type: 'subscriber.dropped'; readonly channel: string }

export type OnGatewayEvent = (event: GatewayEvent) => void
