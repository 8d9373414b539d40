const UNIT_MS = [604_800_000, 86_400_000, 3_600_000, 60_000, 1_000, 1] as const
const DURATION = /^(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?$/

/** A text such as `30s` or `1h30m` in milliseconds; null for any other text. Units go from the largest to the smallest. */
export function parseDuration(text: string): number | null {
  const parts = DURATION.exec(text)?.slice(1)
  if (text === '' || !parts) return null
  return parts.reduce((sum, part, at) => sum + Number(part ?? 0) * (UNIT_MS[at] ?? 0), 0)
}
