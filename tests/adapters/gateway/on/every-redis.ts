/** What a gateway answers before each Redis whose url is an argument, on whatever runtime this is: a line of JSON each. */
import { readFileSync } from 'node:fs'
import { createGateway } from '../../../../adapters/gateway/index.ts'

const CA = process.env.REDIS_CA
const TOKEN = 'a-token-for-tests'

async function ask(redis: string): Promise<readonly string[]> {
  const gateway = await createGateway({ redis, tokens: [TOKEN], ...(CA ? { redisCa: readFileSync(CA, 'utf8') } : {}) })
  const request = (path: string, body?: unknown, token = TOKEN) =>
    gateway.fetch(
      new Request(`http://gateway${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    )
  const text = async (path: string, body: unknown, token?: string) => (await request(path, body, token)).text()
  await request('/', ['ACL', 'SETUSER', 'eve', 'on', '>p@ss:word/%', '~*', '+@all'])
  const { result } = JSON.parse(await text('/', ['ACL', 'RESTTOKEN', 'eve', 'p@ss:word/%'])) as { result: string }
  const stream = (await request('/subscribe/news')).body?.getReader()
  const next = async () => new TextDecoder().decode((await stream?.read())?.value).trim()
  const answers = [
    await text('/', ['SET', 'k', 'blåbær']),
    await text('/pipeline', [['GET', 'k'], ['INCR', 'k'], ['DBSIZE']]),
    await text('/multi-exec', [
      ['DEL', 'k'],
      ['INCR', 'k'],
      ['DEL', 'k'],
    ]),
    await next(),
    await text('/', ['PUBLISH', 'news', 'here']).then(next),
    await text('/', ['ACL', 'WHOAMI'], result),
  ]
  await stream?.cancel()
  await gateway.close()
  return answers
}

for (const url of process.argv.slice(2)) console.log(JSON.stringify(await ask(url)))
process.exit()
