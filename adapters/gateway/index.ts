export type { GatewayEvent, OnGatewayEvent } from './events.ts'
export { createGateway, type Gateway, type GatewayOptions } from './gateway.ts'
export { type ServeGatewayOptions, serveGateway } from './serve.ts'
