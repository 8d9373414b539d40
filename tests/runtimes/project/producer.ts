/** A producer as the README has it: it knows the app's type alone. */
import { redisBroker } from 'tq-edge/brokers/redis'
import { createClient } from 'tq-edge/client'
import type app from '../../../examples/anywhere/tq.config.ts'

const broker = redisBroker({ url: 'https://redis.example', token: 'a-token' })

export const enqueue = (url: string) => createClient<typeof app>({ broker }).enqueue('page.check', { url })
