import { afterAll, expect, test } from 'bun:test'
import { join } from 'node:path'
import { createCertificate } from '../../support/certificate.ts'
import { createFolder } from '../../support/folder.ts'
import { startCluster } from '../../support/redis-cluster.ts'
import { startSentinels } from '../../support/redis-sentinel.ts'
import { freePort, startRedis } from '../../support/redis-server.ts'
import { otherRuntimes } from '../../support/runtimes.ts'

const SCRIPT = join(import.meta.dir, 'on', 'every-redis.ts')
const RUNTIMES = [{ name: `bun ${Bun.version}`, command: [process.execPath] }, ...otherRuntimes()]
const USERS = ['--user', 'ada', 'on', '>p@ss:word/', '~*', '&*', '+@all', '--user', 'default', 'off']

const folder = createFolder()
const { certPath, keyPath } = await createCertificate(folder.path)
const socket = folder.file('a redis.sock')
const tlsPort = freePort()
const tlsFiles = ['--tls-cert-file', certPath, '--tls-key-file', keyPath, '--tls-auth-clients', 'no']
const server = await startRedis({ args: ['--unixsocket', socket] })
const guarded = server && (await startRedis({ args: USERS }))
const secure = server && (await startRedis({ args: ['--tls-port', String(tlsPort), ...tlsFiles] }).catch(() => null))
const sentinels = await startSentinels()
const cluster = await startCluster()
afterAll(async () => {
  await Promise.all([server, guarded, secure, sentinels, cluster].map((each) => each?.stop()))
  folder.remove()
})

const KINDS: readonly (readonly [kind: string, url: string | undefined])[] = [
  ['TCP', server?.url],
  ['a Unix socket', server ? `unix://${encodeURI(socket)}` : undefined],
  ['an ACL user', guarded ? `redis://ada:p%40ss%3Aword%2F@127.0.0.1:${guarded.port}` : undefined],
  ['TLS', secure ? `rediss://localhost:${tlsPort}` : undefined],
  ['sentinels', sentinels?.url],
  ['a cluster', cluster?.url],
]
const ANSWERS = [
  '{"result":"OK"}',
  '[{"result":"blåbær"},{"error":"ERR value is not an integer or out of range"},{"result":1}]',
  '[{"result":1},{"result":1},{"result":1}]',
  'data: subscribe,news,1',
  'data: message,news,here',
  '{"result":"eve"}',
]

for (const { name, command } of RUNTIMES)
  for (const [kind, url] of KINDS)
    test.skipIf(!url)(
      `${name} speaks to Redis by ${kind}${url ? '' : ' (needs redis-server on the PATH, TLS one with it)'}`,
      async () => {
        const child = Bun.spawn([...command, SCRIPT, String(url)], {
          env: { ...process.env, REDIS_CA: certPath },
          stdout: 'pipe',
          stderr: 'pipe',
        })
        const [output, errors] = await Promise.all([
          new Response(child.stdout).text(),
          new Response(child.stderr).text(),
        ])
        expect([output, errors]).toEqual([`${JSON.stringify(ANSWERS)}\n`, ''])
      },
      30_000,
    )

test.skipIf(!secure)('a certificate that nobody vouches for is refused at the start', async () => {
  const child = Bun.spawn([process.execPath, SCRIPT, `rediss://localhost:${tlsPort}`], {
    stdout: 'ignore',
    stderr: 'pipe',
  })
  expect(await new Response(child.stderr).text()).toContain('DEPTH_ZERO_SELF_SIGNED_CERT')
})
