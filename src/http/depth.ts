/** What every runtime can write again, and a recursive schema can check; deeper JSON is an attack or a mistake. */
export const MAX_DEPTH = 1_000

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b])
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d])

/** Whether JSON nests deeper than that: by its brackets alone, since a runtime may take long to fail at deep values. */
export function isDeeper(json: string, maxDepth: number): boolean {
  if (json.length <= maxDepth) return false
  let depth = 0
  for (let at = 0; at < json.length; at++) {
    const unit = json.charCodeAt(at)
    if (unit === QUOTE) at = endOfText(json, at)
    else if (CLOSING.has(unit)) depth--
    else if (OPENING.has(unit) && ++depth > maxDepth) return true
  }
  return false
}

/** Where the text that begins at `from` has its closing quote. */
function endOfText(json: string, from: number): number {
  for (let at = from + 1; at < json.length; at++) {
    const unit = json.charCodeAt(at)
    if (unit === BACKSLASH) at++
    else if (unit === QUOTE) return at
  }
  return json.length
}
