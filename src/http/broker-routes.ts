import { limitBody } from './body.ts'
import { BROKER_CALLS } from './broker-calls.ts'
import type { ApiContext } from './context.ts'
import { MAX_TEXTS_BYTES } from './exchange.ts'
import { objectOf } from './fields.ts'
import { checkBody, checkNothing } from './request.ts'
import { createRouteGroup, type RouteGroup } from './route-group.ts'

/** Mounts the routes by which `httpBroker` has this API's broker as its own. */
export type BrokerRoutes = (context: Pick<ApiContext, 'broker'>) => RouteGroup

/**
 * For `createApi({ brokerRoutes })`: lets other processes use the API's broker as theirs, by `httpBroker`.
 *
 * `POST /v1/broker/{call}` takes `{"arguments": [...]}` of the contract's call and answers `{"answer": ...}`: tq's own protocol, of the
 * same version on both sides. Whoever may call it may do everything.
 *
 * @example
 * ```ts
 * import { httpBroker } from 'tq-edge/brokers/http'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { brokerRoutes, createApi } from 'tq-edge/http'
 *
 * const store = sqliteBroker({ path: ':memory:' })
 * const api = createApi({ broker: store, tokens: ['a-long-random-token'], brokerRoutes })
 *
 * const broker = httpBroker({ url: 'https://tq.example', token: 'a-long-random-token', fetch: api.request })
 * console.log((await broker.stats()).queues) // []
 * await store.close()
 * ```
 */
export const brokerRoutes: BrokerRoutes = ({ broker }) => {
  const app = createRouteGroup()
  const limited = limitBody(MAX_TEXTS_BYTES)
  for (const [call, schema] of Object.entries(BROKER_CALLS)) {
    const body = objectOf({ arguments: schema })
    app.post(`/v1/broker/${call}`, limited, checkNothing, checkBody(body), async (c) => {
      const answer = await c.req.valid('json').arguments(broker)
      return c.json({ answer }, 200)
    })
  }
  return app
}
