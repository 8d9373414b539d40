/** The app's REST producer on Bun; what it takes it also runs. Beside it: `tq work --beat` on any host. */
import { serve } from 'tq-edge/bun'
import app from '../anywhere/tq.config.ts'

const { url } = await serve(app, { port: Number(process.env.PORT ?? 8787), kick: true })
console.log(`listening on ${url}`)
