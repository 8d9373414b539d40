import { createHash } from 'node:crypto'
import type { Reply } from './fault-proxy.ts'

/** A piece of a script's text, and what stands there instead. */
export type ScriptChange = readonly [from: string, to: string]

export interface ScriptChanges {
  /** For `startFaultProxy`: sends EVAL with the changed text, and EVALSHA with that one's digest. */
  readonly rewrite: (body: string) => string | Reply
  /** The changes that no script had the text for: then the test changes nothing and has to be told of the new text. */
  missed(): readonly string[]
}

const digest = (text: string) => createHash('sha1').update(text).digest('hex')

/** Changes the broker's scripts on their way: to see what happens inside, or to switch a rule off. */
export function changeScripts(changes: readonly ScriptChange[]): ScriptChanges {
  const digests = new Map<string, string>()
  const found = new Set<string>()

  function change(script: string): string {
    let text = script
    for (const [from, to] of changes) {
      if (!text.includes(from)) continue
      found.add(from)
      text = text.replaceAll(from, to)
    }
    digests.set(digest(script), digest(text))
    return text
  }

  return {
    rewrite(body) {
      const asked = /^\["evalsha","([0-9a-f]{40})"/.exec(body)?.[1]
      if (asked) {
        const sent = digests.get(asked)
        return sent ? body.replace(asked, sent) : { status: 400, text: '{"error":"NOSCRIPT No matching script."}' }
      }
      if (!body.startsWith('["eval"')) return body
      const [name, script, ...rest] = JSON.parse(body) as [string, string, ...string[]]
      return JSON.stringify([name, change(script), ...rest])
    },
    missed: () => changes.map(([from]) => from).filter((from) => !found.has(from)),
  }
}
