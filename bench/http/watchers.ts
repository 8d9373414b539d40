/**
 * Clients that each read a stream of their own, in a process of their own until its input ends: `port count path first` as arguments, with
 * `*` in the path for the number of the client, and in `first` what its stream begins with. Says when all do.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { TOKEN } from './names.ts'

const [port, count, path, first] = process.argv.slice(2) as [string, string, string, string]
const AT_ONCE = 100

async function watch(at: number): Promise<void> {
  const socket = connect(Number(port), '127.0.0.1')
  socket.once('close', () => {
    console.error('expected streams that stay open, got the end of one')
    process.exit(1)
  })
  socket.write(
    `GET ${path.replace('*', String(at))} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`,
  )
  let told = ''
  for (let chunk = ''; !told.includes(first); told += chunk)
    [chunk] = (await once(socket, 'data')).map(String) as [string]
  socket.resume()
}

const ids = Array.from({ length: Number(count) }, (_, at) => at)
while (ids.length > 0) await Promise.all(ids.splice(0, AT_ONCE).map(watch))
console.log('all')
process.stdin.resume().once('end', () => process.exit())
