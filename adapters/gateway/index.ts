export type { GatewayEvent, GatewayRequest, OnGatewayEvent, OnGatewayRequest } from './events.ts'
export { createGateway, type Gateway, type GatewayOptions } from './gateway.ts'
export type { Rights } from './rights.ts'
export { type ServeGatewayOptions, serveGateway } from './serve.ts'
export {
  createGatewayToken,
  type GatewayToken,
  type GatewayTokens,
  type NewGatewayToken,
} from './tokens.ts'
