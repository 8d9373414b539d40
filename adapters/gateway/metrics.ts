/** What Prometheus reads, in its text format: few series, of which none is named by a caller. */
export interface Metrics {
  request(status: number, durationMs: number): void
  /** So many commands have gone to Redis. */
  commands(count: number): void
  redisLost(): void
  toText(now: { readonly isRedisUp: boolean; readonly subscribers: number }): string
}

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
/** Of the histogram, in seconds. */
const BOUNDS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export function createMetrics(): Metrics {
  const requests = new Map<number, number>()
  const buckets = BOUNDS_S.map(() => 0)
  let count = 0
  let sumMs = 0
  let commands = 0
  let losses = 0

  function toHistogram(): readonly Sample[] {
    let within = 0
    const bounded = BOUNDS_S.map((bound, at): Sample => {
      within += buckets[at] ?? 0
      return [`_bucket{le="${bound}"}`, within]
    })
    return [...bounded, ['_bucket{le="+Inf"}', count], ['_sum', sumMs / 1_000], ['_count', count]]
  }

  return {
    request(status, durationMs) {
      requests.set(status, (requests.get(status) ?? 0) + 1)
      const bucket = BOUNDS_S.findIndex((bound) => durationMs <= bound * 1_000)
      if (bucket >= 0) buckets[bucket] = (buckets[bucket] ?? 0) + 1
      count++
      sumMs += durationMs
    },
    commands(more) {
      commands += more
    },
    redisLost() {
      losses++
    },
    toText({ isRedisUp, subscribers }) {
      const byStatus = [...requests].map(([status, times]): Sample => [`{status="${status}"}`, times])
      return [
        family('requests_total', 'counter', 'Requests answered, by status.', byStatus),
        family(
          'request_duration_seconds',
          'histogram',
          'How long answers took; of a stream, until it began.',
          toHistogram(),
        ),
        family('commands_total', 'counter', 'Commands sent to Redis.', [['', commands]]),
        family('subscribers', 'gauge', 'Streams that are open.', [['', subscribers]]),
        family('redis_up', 'gauge', 'Whether there is a connection to Redis.', [['', Number(isRedisUp)]]),
        family('redis_losses_total', 'counter', 'How often Redis was lost.', [['', losses]]),
      ].join('')
    },
  }
}

/** What stands behind the name of its family, and the value. */
type Sample = readonly [suffix: string, value: number]

function family(name: string, type: string, help: string, samples: readonly Sample[]): string {
  const full = `tq_gateway_${name}`
  const lines = samples.map(([suffix, value]) => `${full}${suffix} ${value}\n`)
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join('')}`
}
