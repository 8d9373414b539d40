/** Clients that each watch a job of their own, in a process of their own until its input ends: `port count` as arguments. Says when all do. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { TOKEN } from './names.ts'

const [port, count] = process.argv.slice(2).map(Number) as [number, number]
const AT_ONCE = 100

async function watch(id: string): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.once('close', () => {
    console.error('expected streams that stay open, got the end of one')
    process.exit(1)
  })
  socket.write(`GET /v1/jobs/${id}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`)
  let told = ''
  for (let chunk = ''; !told.includes('event: job'); told += chunk)
    [chunk] = (await once(socket, 'data')).map(String) as [string]
  socket.resume()
}

const ids = Array.from({ length: count }, (_, at) => `job-${at}`)
while (ids.length > 0) await Promise.all(ids.splice(0, AT_ONCE).map(watch))
console.log('all')
process.stdin.resume().once('end', () => process.exit())
