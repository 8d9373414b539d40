import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * Whether Node may take this file for CommonJS although it is written as a module: it goes by the nearest package.json,
 * where `npm init` writes `"type": "commonjs"`. Bun and Deno go by what is in the file.
 */
export function isTakenForCommonJs(file: string): boolean {
  const { bun, deno } = process.versions
  return !bun && !deno && /\.[jt]s$/.test(file) && packageTypeAbove(dirname(file)) !== 'module'
}

function packageTypeAbove(folder: string): unknown {
  const file = join(folder, 'package.json')
  if (existsSync(file)) return typeIn(readFileSync(file, 'utf8'))
  return dirname(folder) === folder ? undefined : packageTypeAbove(dirname(folder))
}

/** What is no JSON says nothing about the type; Node itself complains when it matters. */
function typeIn(text: string): unknown {
  try {
    return (JSON.parse(text) as { type?: unknown } | null)?.type
  } catch {
    return undefined
  }
}
