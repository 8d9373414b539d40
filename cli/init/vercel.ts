import { DEV_DB, NODE_TSCONFIG, type Template, TYPESCRIPT, toJson } from './project.ts'

export const vercel: Template = {
  brokers: ['redis'],
  scripts: { dev: `tq dev --db ${DEV_DB}`, deploy: 'npx vercel deploy --prod', check: 'tsc' },
  devDependencies: TYPESCRIPT,
  ignored: ['.vercel'],
  secrets: [['CRON_SECRET', 'What Vercel sends with the cron: a long random secret.']],
  files: () => ({
    ...NODE_TSCONFIG,
    // By `.js`: Vercel compiles each file by itself, and leaves the names of imports as they are.
    'api/index.ts': `/** The REST producer, which also runs what it takes. */
import { toVercel } from 'tq-edge/vercel'
import app from '../tq.config.js'

const { fetch } = toVercel(app, { kick: true })

export const GET = fetch
export const POST = fetch
export const PUT = fetch
export const DELETE = fetch
`,
    'api/cron.ts': `/** With each cron a beat and a drain. */
import { toVercel } from 'tq-edge/vercel'
import app from '../tq.config.js'

const { cron } = toVercel(app)

export const GET = cron
`,
    'vercel.json': toJson({
      $schema: 'https://openapi.vercel.sh/vercel.json',
      rewrites: [
        { source: '/v1/(.*)', destination: '/api' },
        { source: '/healthz', destination: '/api' },
        { source: '/readyz', destination: '/api' },
      ],
      crons: [{ path: '/api/cron', schedule: '* * * * *' }],
    }),
    // A folder `public` is all that Vercel serves as files; without one it would be the whole project.
    'public/robots.txt': 'User-agent: *\nDisallow: /\n',
  }),
  steps: [
    ['npm install', ''],
    ['npm run dev', `REST, worker and beat in one process, jobs in ${DEV_DB}; it prints a curl to try`],
    ['npm run deploy', 'to Vercel'],
  ],
  notes: () => `## Before the first deploy

Set what \`.env.example\` names in the project's settings, or by \`npx vercel env add\`. The Redis of Vercel's marketplace sets
\`KV_REST_API_URL\` and \`KV_REST_API_TOKEN\`, which do as well.

\`vercel.json\` asks for a cron each minute, which takes the Pro plan; on Hobby, where a deploy with it fails, write
\`0 0 * * *\`, or call \`/api/cron\` from elsewhere, with \`Authorization: Bearer $CRON_SECRET\`.

## Jobs that take longer

A drain takes 8 s of a function's time, or as much as \`toVercel(app, { drain: { budgetMs: 50_000 } })\` says: less than the
function's \`maxDuration\`. For longer jobs run a worker on any host, on the same Redis: \`npx tq-edge work\`. The guide in
\`node_modules/tq-edge/docs/edge.md\` says which way when.
`,
}
