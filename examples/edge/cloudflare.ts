/** The app on Cloudflare Workers: the REST producer, and with each minute's cron trigger a beat and a drain. */
import { toWorker } from 'tq-edge/cloudflare'
import app from '../anywhere/tq.config.ts'

export default toWorker(app, { kick: true })
