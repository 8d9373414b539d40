import { expect, test } from 'bun:test'
import { createFolder, GREETER } from './support.ts'

const COMMANDS = [
  'init',
  'dev',
  'serve',
  'work',
  'beat',
  'enqueue',
  'result',
  'jobs',
  'queues',
  'events',
  'schedules',
  'token',
  'link',
  'gateway',
  'cost',
]

test.each(COMMANDS)('the help of %s has an example', async (name) => {
  await using folder = await createFolder()
  const { stdout, exitCode } = await folder.tq([name, '--help'])
  expect(stdout).toContain(`USAGE tq ${name}`)
  expect(stdout).toMatch(new RegExp(`EXAMPLES\\n\\n(.*\\n)*.*tq ${name}`))
  expect(exitCode).toBe(0)
})

test('tq --help names every command', async () => {
  await using folder = await createFolder()
  const { stdout, exitCode } = await folder.tq(['--help'])
  for (const name of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'))
  expect(exitCode).toBe(0)
})

test.each([
  [['enqeue'], 'did you mean tq enqueue?'],
  [['jobs', 'cancle', 'x'], 'did you mean tq jobs cancel?'],
  [['work', '--burts'], 'did you mean --burst?'],
  [['enqueue'], 'TASK'],
  [['enqueue', 'greet', '{'], 'expected the input to be JSON'],
  [['enqueue', 'greet', '{"name":"A"}', 'more'], 'got "more" as well'],
  [['enqueue', 'gret'], 'did you mean "greet"?'],
  [['enqueue', 'greet', '{"name":7}'], 'name: Invalid type'],
  [['enqueue', 'greet', '--delay-ms', 'soon'], '--delay-ms to be a whole number'],
  [['enqueue', 'greet', '--queue'], 'a value after --queue'],
  [['work', '--concurrency', '0'], 'from 1 to 1000'],
  [['work', '--db', ':memory:'], 'only tq dev takes it'],
  [['work', 'nowhere'], 'there is no such path'],
  [['jobs'], 'expected a database at .tq/tq.db'],
  [['cost', '--jobs', 'many'], 'a count such as 500k'],
  [['cost', '--rate', '0/s'], 'such as 10/s or 500/min'],
  [['cost', '--jobs', '1M', '--rate', '1/min'], 'raise it'],
  [['jobs', '--state', 'faild'], 'did you mean failed?'],
])('%j is exit code 2 and one line that helps', async (args, hint) => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const { stdout, stderr, exitCode } = await folder.tq(args)
  expect(stderr).toContain(hint)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect(stdout).toBe('')
  expect(exitCode).toBe(2)
})

test('no app is exit code 2, and says where it was looked for', async () => {
  await using folder = await createFolder()
  const { stderr, exitCode } = await folder.tq(['work', '.'])
  expect(stderr).toContain('expected tq.config.ts (or .js, .mjs) in .')
  expect(exitCode).toBe(2)
})

test('--debug adds the stack', async () => {
  await using folder = await createFolder()
  expect((await folder.tq(['work', 'nowhere', '--debug'])).stderr).toMatch(/\n +at .*config/)
  expect((await folder.tq(['work', 'nowhere'], { env: { TQ_DEBUG: '1' } })).stderr).toMatch(/\n +at .*config/)
})
