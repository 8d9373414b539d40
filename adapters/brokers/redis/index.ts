/** The broker on an HTTP-accessible Redis (`tq-edge/brokers/redis`). */
export { type RedisBrokerOptions, redisBroker } from './broker.ts'
