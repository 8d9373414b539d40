/** The embedded broker (`tq-edge/brokers/sqlite`). */
export { type SqliteBrokerOptions, sqliteBroker } from './broker.ts'
