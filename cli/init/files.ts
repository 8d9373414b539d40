import { type Files, type Project, type Template, toJson } from './project.ts'

/** Every file of a project. */
export function filesOf(template: Template, project: Project): Files {
  return {
    'tq.config.ts': toApp(project),
    'package.json': toPackage(template, project),
    ...template.files(project),
    '.env.example': toVariables(template, project),
    '.gitignore': ['node_modules', '.tq', '.env', ...template.ignored].map((path) => `${path}\n`).join(''),
    'README.md': toReadme(template, project),
  }
}

function toApp({ name }: Project): string {
  return `import { defineApp, defineTask } from 'tq-edge'
import { every } from 'tq-edge/scheduler'
import * as v from 'valibot'

const greet = defineTask({
  name: 'greet',
  input: v.object({ name: v.string() }),
  run: ({ name }) => \`Hello, \${name}\`,
})

export default defineApp({
  name: '${name}',
  tasks: [greet],
  schedules: [every('greet-often', '1m', { task: greet, input: { name: 'world' } })],
})
`
}

function toPackage({ scripts, devDependencies }: Template, { name, own }: Project): string {
  const { version, dependencies } = own
  return toJson({
    name,
    private: true,
    type: 'module',
    ...filled({ scripts, devDependencies }),
    dependencies: { 'tq-edge': version, valibot: dependencies.valibot },
  })
}

/** Those that hold anything. */
function filled(parts: Readonly<Record<string, object>>): object {
  return Object.fromEntries(Object.entries(parts).filter(([, part]) => Object.keys(part).length > 0))
}

/** For a shell, systemd, Docker, Bun, Deno and wrangler alike: no quotes, nothing after a value. */
function toVariables({ secrets }: Template, { broker }: Project): string {
  const redis = `# Where jobs are kept: a database of https://console.upstash.com, or \`tq gateway\` before a Redis of your own.
UPSTASH_REDIS_REST_URL=https://your-database.upstash.io
UPSTASH_REDIS_REST_TOKEN=the-token-of-your-database
`
  return `${broker === 'redis' ? redis : ''}# Who may call the REST API: long random tokens, separated by commas.
TQ_TOKENS=
${secrets.map(([name, what]) => `# ${what}\n${name}=\n`).join('')}`
}

function toReadme({ steps, notes }: Template, project: Project): string {
  const width = Math.max(...steps.map(([command]) => command.length))
  const lines = steps.map(([command, does]) => (does ? `${command.padEnd(width)}   # ${does}` : command))
  return `# ${project.name}

Jobs and schedules by [tq](https://www.npmjs.com/package/tq-edge). \`tq.config.ts\` is the app: its tasks, and when they are due.

\`\`\`sh
${lines.join('\n')}
\`\`\`

${notes(project)}`
}
