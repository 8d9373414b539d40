import { DEV_DB, NODE_TSCONFIG, type Template, TYPESCRIPT } from './project.ts'

export const netlify: Template = {
  brokers: ['redis'],
  scripts: { dev: `tq dev --db ${DEV_DB}`, deploy: 'npx netlify-cli deploy --prod', check: 'tsc' },
  devDependencies: TYPESCRIPT,
  ignored: ['.netlify'],
  secrets: [],
  files: () => ({
    ...NODE_TSCONFIG,
    'netlify/functions/tq.mts': `/** The REST producer, which also runs what it takes. */
import { toNetlify } from 'tq-edge/netlify'
import app from '../../tq.config.ts'

const { fetch } = toNetlify(app, { kick: true })

export default fetch
export const config = { path: ['/v1/*', '/healthz', '/readyz'] }
`,
    'netlify/functions/tq-cron.mts': `/** Each minute a beat and a drain. */
import { toNetlify } from 'tq-edge/netlify'
import app from '../../tq.config.ts'

const { scheduled } = toNetlify(app)

export default scheduled
export const config = { schedule: '* * * * *' }
`,
    'netlify.toml': `[build]
publish = "public"

[functions]
node_bundler = "esbuild"
`,
    'public/robots.txt': 'User-agent: *\nDisallow: /\n',
  }),
  steps: [
    ['npm install', ''],
    ['npm run dev', `REST, worker and beat in one process, jobs in ${DEV_DB}; it prints a curl to try`],
    ['npm run deploy', 'to Netlify'],
  ],
  notes: () => `## Before the first deploy

Set what \`.env.example\` names in the site's settings, or by \`npx netlify-cli env:set\`.

## Jobs that take longer

A scheduled function has 30 s, of which a drain takes 25; what a request brings is given 8 s after the answer. For longer jobs
run a worker on any host, on the same Redis: \`npx tq-edge work\`. The guide in \`node_modules/tq-edge/docs/edge.md\` says which way
when.
`,
}
