import { isDeeper, MAX_DEPTH } from './depth.ts'

export const JSON_TEXT = 'expected a JSON text, empty for no value'

/** Whether what is to be kept can be read back: JSON that nests as a body may, or nothing. */
export function isJsonText(text: string): boolean {
  if (text === '') return true
  if (isDeeper(text, MAX_DEPTH)) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
