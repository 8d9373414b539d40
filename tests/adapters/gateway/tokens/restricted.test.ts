import { expect, test } from 'bun:test'
import { createGateway } from '../../../../adapters/gateway/index.ts'
import { createRestrictions } from '../../../../adapters/gateway/tokens/restricted.ts'
import { startRedis, type TestRedis } from '../../../support/redis-server.ts'
import { createCaller, hasRedisServer, startSubject, TOKEN } from '../subject.ts'

/** js-redis-server has neither categories nor settings. */
const withRedis = (name: string, run: () => Promise<void>) =>
  test.skipIf(!hasRedisServer)(hasRedisServer ? name : `${name} (needs redis-server on the PATH)`, run)

const { redis, send, post } = await startSubject()

withRedis('what administers Redis is refused, or tells, keeps statistics, or concerns data alone', async () => {
  const allowed = [
    'acl|cat acl|deluser acl|dryrun acl|genpass acl|getuser acl|help acl|list acl|log acl|setuser acl|users acl|whoami bgrewriteaof',
    'bgsave cluster|count-failure-reports cluster|countkeysinslot cluster|getkeysinslot cluster|help cluster|info',
    'cluster|keyslot cluster|links cluster|myid cluster|nodes cluster|replicas cluster|shards cluster|slaves cluster|slots',
    'config|get config|help config|resetstat flushall flushdb info keys lastsave latency|doctor latency|graph',
    'latency|histogram latency|history latency|latest latency|reset restore restore-asking role slowlog|get slowlog|len',
    'slowlog|reset sort sort_ro swapdb',
  ].flatMap((line) => line.split(' '))
  const newer =
    'cluster|getslotmigrations cluster|myshardid cluster|slot-stats commandlog|get commandlog|len commandlog|reset'
  const refusalOf = createRestrictions()
  const names = new Set(['config|help', 'cluster|help', 'acl|help'])
  for (const filter of ['@dangerous', '@admin', 'acl|*', 'cluster|*', 'config|*']) {
    const by = filter.startsWith('@') ? ['ACLCAT', filter.slice(1)] : ['PATTERN', filter]
    for (const name of JSON.parse(await send('COMMAND', 'LIST', 'FILTERBY', ...by)).result) names.add(name)
  }
  const served = [...names].filter((name) => refusalOf([...name.split('|'), 'x']) === undefined)
  expect(served.filter((name) => !newer.split(' ').includes(name)).sort()).toEqual(allowed.sort())
})

test('nobody changes or deletes the user as whom the gateway is known to Redis', async () => {
  const refusalOf = createRestrictions('gate')
  for (const command of [
    ['ACL', 'SETUSER', 'gate', 'off'],
    ['acl', 'setuser', Buffer.from('gate')],
    ['ACL', 'DELUSER', 'other', 'gate'],
    ['ACL', 'SETUSER\0x', 'default', 'off'],
  ])
    expect(refusalOf(command)).toMatch(/^ERR The '(gate|default)' user cannot be changed through the gateway$/)
  for (const command of ['ACL SETUSER other gate', 'ACL DELUSER other', 'ACL GETUSER gate', 'ACL'])
    expect(refusalOf(command.split(' '))).toBeUndefined()
  expect((await post('/', ['ACL', 'SETUSER', 'default', 'off']))[1]).toContain("The 'default' user cannot be changed")
})

withRedis('the user of the url is the one', async () => {
  await send('ACL', 'SETUSER', 'gate', 'on', '>pw', '~*', '&*', '+@all')
  const gateway = await createGateway({ redis: redis.url.replace('//', '//gate:pw@'), tokens: [TOKEN] })
  const { send: sendAsGate } = createCaller(gateway)
  expect((await sendAsGate('ACL', 'DELUSER', 'gate'))[1]).toContain("The 'gate' user cannot be changed")
  expect(await sendAsGate('ACL', 'WHOAMI')).toEqual([200, '{"result":"gate"}'])
  await gateway.close()
})

withRedis('CONFIG GET tells nothing that lets somebody into Redis itself', async () => {
  const secret = 'hunter2-hunter2'
  const guarded = (await startRedis({ args: ['--requirepass', secret, '--masterauth', secret] })) as TestRedis
  const gateway = await createGateway({ redis: `redis://:${secret}@127.0.0.1:${guarded.port}`, tokens: [TOKEN] })
  const { send, request } = createCaller(gateway)
  for (const pattern of ['*', 'requirepass', 'MASTERAUTH', '*pass'])
    for (const name of ['CONFIG', 'config\0x']) expect((await send(name, 'get', pattern))[1]).not.toContain(secret)
  for (const path of ['/pipeline', '/multi-exec'])
    expect(await (await request(path, [['CONFIG', 'GET', 'requirepass', 'maxmemory', 'tls-*-pass']])).text()).toBe(
      '[{"result":["maxmemory","0"]}]',
    )
  expect((await send('CONFIG', 'GET', '*'))[1]).toContain('"tls-auth-clients","yes"')
  await gateway.close()
  await guarded.stop()
})
