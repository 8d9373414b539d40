import { bun } from './bun.ts'
import { cloudflare } from './cloudflare.ts'
import { deno } from './deno.ts'
import { node } from './node.ts'
import type { Template } from './project.ts'

export const TEMPLATES = { cloudflare, node, bun, deno } as const satisfies Readonly<Record<string, Template>>

export type RuntimeName = keyof typeof TEMPLATES
export const RUNTIMES = Object.keys(TEMPLATES) as readonly RuntimeName[]
