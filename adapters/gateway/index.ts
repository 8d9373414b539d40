export type { GatewayEvent, GatewayRequest, OnGatewayEvent, OnGatewayRequest } from './events.ts'
export { createGateway, type Gateway, type GatewayOptions } from './gateway.ts'
export { type ServeGatewayOptions, serveGateway } from './serve.ts'
export {
  createGatewayToken,
  type GatewayToken,
  type GatewayTokens,
  type NewGatewayToken,
  type Rights,
} from './tokens/token.ts'
