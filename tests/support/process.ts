/** A script in a process of its own, followed by what it prints. */
export interface TestProcess {
  readonly pid: number
  /** The next line that begins with `start`. Rejects when the process ends without it. */
  line(start: string): Promise<string>
  say(text: string): void
  kill(signal: NodeJS.Signals): void
  readonly exited: Promise<number>
}

export function startProcess(script: string, ...args: readonly (string | number)[]): TestProcess {
  const child = Bun.spawn([process.execPath, script, ...args.map(String)], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const printed: string[] = []
  const waiting = new Set<() => void>()
  let ended = false
  const follow = async () => {
    let rest = ''
    const decoder = new TextDecoder()
    for await (const chunk of child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      printed.push(...lines)
      for (const look of waiting) look()
    }
    ended = true
    for (const look of waiting) look()
  }
  void follow()

  return {
    pid: child.pid,
    line: (start) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const at = printed.findIndex((line) => line.startsWith(start))
          if (at < 0 && !ended) return
          waiting.delete(look)
          if (at < 0) reject(new Error(`expected a line "${start}...", got ${JSON.stringify(printed)} and the end`))
          else resolve(String(printed.splice(at, 1)[0]))
        }
        waiting.add(look)
        look()
      }),
    say(text) {
      child.stdin.write(`${text}\n`)
      child.stdin.flush()
    },
    kill: (signal) => child.kill(signal),
    exited: child.exited,
  }
}
