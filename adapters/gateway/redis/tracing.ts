import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel'

/**
 * Bun's tracing channels, and those of Node before 20.13, do not say whether anybody listens. Where they do not, the client library makes
 * a trace of every command, which is a third of what a long pipeline costs. This gives them `hasSubscribers` as Node has it.
 *
 * https://nodejs.org/api/diagnostics_channel.html#tracingchannelhassubscribers
 */
export function completeTracingChannels(): void {
  const channel: object = Object.getPrototypeOf(tracingChannel('tq'))
  if ('hasSubscribers' in channel) return
  Object.defineProperty(channel, 'hasSubscribers', {
    configurable: true,
    get(this: TracingChannel) {
      return (
        this.start.hasSubscribers ||
        this.end.hasSubscribers ||
        this.asyncStart.hasSubscribers ||
        this.asyncEnd.hasSubscribers ||
        this.error.hasSubscribers
      )
    },
  })
}
