const UNIT_MS = [604_800_000, 86_400_000, 3_600_000, 60_000, 1_000, 1] as const
const DURATION = /^(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?$/
/** Years and months are left out: they are of no fixed length. */
const ISO_DURATION =
  /^P(?=\w)(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,3})?)S)?)?$/

/**
 * A text such as `30s` or `1h30m`, or of ISO 8601 such as `PT1H30M`, in milliseconds; null for any other text. Units go from the
 * largest to the smallest.
 */
export function parseDuration(text: string): number | null {
  const parts = (DURATION.exec(text) ?? ISO_DURATION.exec(text))?.slice(1)
  if (text === '' || !parts) return null
  return Math.round(parts.reduce((sum, part, at) => sum + Number(part ?? 0) * (UNIT_MS[at] ?? 0), 0))
}
