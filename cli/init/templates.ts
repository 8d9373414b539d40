import { bun } from './bun.ts'
import { cloudflare } from './cloudflare.ts'
import { deno } from './deno.ts'
import { netlify } from './netlify.ts'
import { node } from './node.ts'
import type { Template } from './project.ts'
import { vercel } from './vercel.ts'

export const TEMPLATES = { cloudflare, node, bun, deno, vercel, netlify } as const satisfies Readonly<
  Record<string, Template>
>

export type RuntimeName = keyof typeof TEMPLATES
export const RUNTIMES = Object.keys(TEMPLATES) as readonly RuntimeName[]
