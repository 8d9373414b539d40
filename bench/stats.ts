/** The value below which the given share of the samples lies; `share` 0.5 is the median. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

/** How many of `count` things a second, when doing them took as long as `run` takes. */
export async function perSecond(count: number, run: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await run()
  return (count / (performance.now() - startedMs)) * 1_000
}

/** To three significant digits, whole from 100 on. */
export function rounded(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))
}
