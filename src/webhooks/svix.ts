import type { Sender, TimedSenderOptions } from './sender.ts'
import { defineStandard } from './standard-webhooks.ts'

/** Whoever sends by Svix: https://docs.svix.com/receiving/verifying-payloads/how-manual. `kind` is the body's `type`, if it has one. */
export function svix<Body = Readonly<Record<string, unknown>>>(options: TimedSenderOptions): Sender<Body> {
  return defineStandard('svix', 'svix', options)
}
