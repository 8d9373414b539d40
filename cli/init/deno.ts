import { type Host, hostFiles, hostNotes } from './host.ts'
import { DEV_DB, type Files, type Project, type Template, toJson } from './project.ts'

const host: Host = {
  tq: ['deno', 'run', '-A', 'npm:tq-edge'],
  image: 'denoland/deno:2',
  install: 'deno install',
  user: 'deno',
}

/** `deno task`, where others have npm scripts; `Deno.cron` has still to be asked for. */
const TASKS = {
  dev: `${host.tq.join(' ')} dev --db ${DEV_DB}`,
  serve: 'deno run -A --env-file npm:tq-edge serve',
  work: 'deno run -A --env-file npm:tq-edge work --beat',
  check: 'deno check *.ts',
}

const main = `/** All in one process: the REST producer, which also runs what it takes; each minute a beat and a drain. */
import { serve } from 'tq-edge/deno'
import app from './tq.config.ts'

const { url } = await serve(app, { port: Number(Deno.env.get('PORT') ?? 8787), kick: true, cron: '* * * * *' })
console.log(\`listening on \${url}\`)
`

export const deno: Template = {
  brokers: ['redis', 'sqlite'],
  scripts: {},
  devDependencies: {},
  secrets: [],
  ignored: [],
  files: (project) => ({ ...denoFiles(project), ...hostFiles(host, project) }),
  steps: [
    ['deno install', ''],
    ['deno task dev', `REST, worker and beat in one process, jobs in ${DEV_DB}; it prints a curl to try`],
    ['deno task work', 'a worker and the beat, with what .env says; `deno task serve` is the REST API'],
  ],
  notes: (project) =>
    project.broker === 'sqlite'
      ? hostNotes(project)
      : `## In one process

\`deno task start\` is \`main.ts\`: it takes jobs, runs them right after the answer, and by \`Deno.cron\` fires schedules and runs what
is due, each minute. The parts below do the same each by itself, and run jobs that take longer.

${hostNotes(project)}`,
}

/** The entry needs a broker that takes jobs from anywhere; on SQLite the parts run by the CLI. */
function denoFiles({ broker }: Project): Files {
  if (broker === 'sqlite') return { 'deno.json': toJson({ tasks: TASKS }) }
  const tasks = { ...TASKS, start: 'deno run -A --env-file main.ts' }
  return { 'main.ts': main, 'deno.json': toJson({ unstable: ['cron'], tasks }) }
}
