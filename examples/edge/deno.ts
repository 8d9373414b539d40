/** The app on Deno: the REST producer, and a beat and a drain each minute. `deno run -A --unstable-cron examples/edge/deno.ts` */
import process from 'node:process'
import { serve } from 'tq-edge/deno'
import app from '../anywhere/tq.config.ts'

const { url } = await serve(app, { port: Number(process.env.PORT ?? 8787), kick: true, cron: '* * * * *' })
console.log(`listening on ${url}`)
