/** The gateway as a fetch handler, by the types of the package alone: a user may have none of Node's. */
import { createGateway, createGatewayToken, type GatewayOptions, serveGateway } from 'tq-edge/gateway'

export async function use(redis: string): Promise<readonly Response[]> {
  const { token, record } = await createGatewayToken({ name: 'web', prefixes: ['web:'] })
  const options: GatewayOptions = { redis, tokens: [record], onRequest: ({ commands }) => commands }
  const gateway = await createGateway(options)
  const served = await serveGateway({ ...options, port: 0 })
  const headers = { authorization: `Bearer ${token}` }
  return [await gateway.fetch(new Request('http://gateway/ping', { headers })), await fetch(served.url, { headers })]
}
