/** The REST API in an Express app, on each runtime that has `node:http`. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { otherRuntimes } from '../../support/runtimes.ts'

const SERVER = join(import.meta.dir, 'expressing.ts')
const runtimes = [{ name: `bun ${Bun.version}`, command: [process.execPath] }, ...otherRuntimes()]
const headers = { Authorization: 'Bearer token', 'Content-Type': 'application/json' }

/** A body that comes in two parts, and does not say how many bytes it has. */
const inTwo = (text: string) =>
  new ReadableStream({
    start(controller) {
      for (const part of [text.slice(0, 5), text.slice(5)]) controller.enqueue(new TextEncoder().encode(part))
      controller.close()
    },
  })

for (const { name, command } of runtimes) {
  test(`${name}: Express hands a body over whole, whether it says its length or not, or says that it has read it`, async () => {
    const child = Bun.spawn([...command, SERVER], { stdout: 'pipe', stderr: 'ignore' })
    try {
      const { value } = await child.stdout.getReader().read()
      const url = new TextDecoder().decode(value).trim()
      const text = '{"name":"Ada"}'
      for (const [path, status] of [
        ['before', 202],
        ['kept', 202],
        ['after', 500],
      ] as const)
        for (const body of [text, inTwo(text)]) {
          const id = `${path}-${typeof body}`
          const posted = await fetch(`${url}/${path}/v1/tasks/greet?id=${id}`, { method: 'POST', headers, body })
          expect([id, posted.status]).toEqual([id, status])
          if (status === 500) expect(await posted.json()).toMatchObject({ type: 'urn:tq:problem:body-read' })
          else expect(posted.headers.get('Location')).toBe(`/${path}/v1/jobs/${id}`)
          const read = await fetch(`${url}/${path}/v1/jobs/${id}`, { headers })
          expect([id, read.status, (await read.json()).input]).toEqual(
            status === 500 ? [id, 404, undefined] : [id, 200, { name: 'Ada' }],
          )
        }
      expect(await (await fetch(`${url}/own`)).text()).toBe('true')
    } finally {
      child.kill('SIGKILL')
      await child.exited
    }
  }, 30_000)
}
