/** A tq server as a broker (`tq-edge/brokers/http`). */
export { type HttpBrokerOptions, httpBroker } from './broker.ts'
