/** What a host needs to keep the parts of an app up: a systemd unit, a supervisord entry, a container. */
import type { Files, Project } from './project.ts'

export interface Host {
  /** What starts tq, as the process that gets the signals: not npx or `npm run`, which would not pass them on. */
  readonly tq: readonly string[]
  /** The image, what installs in it, and the user that it brings. */
  readonly image: string
  readonly install: string
  readonly user: string
}

export function hostFiles({ tq, image, install, user }: Host, { name, broker }: Project): Files {
  const folder = `/srv/${name}`
  const [program = '', ...words] = tq
  // systemd looks for a bare name in its own path, and takes no path but a whole one.
  const command = [program.includes('/') ? `${folder}/${program}` : program, ...words].join(' ')
  return {
    'deploy/tq@.service': `# Goes to /etc/systemd/system, the project to ${folder}, its owner is the user tq. Then:
#   systemctl enable --now tq@serve tq@work tq@beat
[Unit]
Description=${name}: tq %i
Wants=network-online.target
After=network-online.target

[Service]
User=tq
WorkingDirectory=${folder}
EnvironmentFile=${folder}/.env
ExecStart=${command} %i
Restart=always
RestartSec=5
# Something has to be changed first: another start changes nothing.
RestartPreventExitStatus=2
# More than the 10 s that running jobs are given.
TimeoutStopSec=20

[Install]
WantedBy=multi-user.target
`,
    'deploy/supervisord.conf': `; A part of supervisord's configuration: the project is in ${folder}.
; \`exec\` makes tq the process that gets the SIGTERM; running jobs are given 10 s.
[program:serve]
command=sh -c "set -a; . ./.env; exec ${tq.join(' ')} serve"
directory=${folder}
stopwaitsecs=20

[program:work]
command=sh -c "set -a; . ./.env; exec ${tq.join(' ')} work --beat"
directory=${folder}
stopwaitsecs=20
`,
    Dockerfile: `FROM ${image}
WORKDIR /app
COPY . .
RUN ${install}
${broker === 'sqlite' ? `RUN mkdir -p .tq && chown ${user} .tq\n` : ''}USER ${user}
# tq itself: it has to get the SIGTERM that a container ends with.
ENTRYPOINT ${JSON.stringify(tq)}
CMD ["work", "--beat"]
`,
    '.dockerignore': 'node_modules\n.git\n.tq\n.env\n',
  }
}

/** The part of the README that is the same on every host. */
export function hostNotes({ name, broker }: Project): string {
  const where =
    broker === 'sqlite'
      ? `All parts share \`.tq/tq.db\`, so they run on one machine; a container keeps it by \`-v ${name}:/app/.tq\`.`
      : 'Any number of each part may run, anywhere: they share nothing but the Redis.'
  return `## On a host

Copy \`.env.example\` to \`.env\` and fill it in. Under a supervisor, every part is a process of its own: \`serve\` takes jobs over
HTTP (on this machine alone, at port 8787: put a proxy before it), \`work\` runs them, \`beat\` fires schedules
(\`work --beat\` does both). ${where}

- systemd: \`deploy/tq@.service\`
- supervisord: \`deploy/supervisord.conf\`
- a container: \`docker build -t ${name} . && docker run --env-file .env ${name}\` is \`work --beat\`;
  \`docker run --env-file .env -p 8787:8787 ${name} serve --host 0.0.0.0\` is the REST API

A SIGTERM asks each of them to finish; what has not finished after 10 s goes back to its queue. Do not start tq by \`npx\` or
\`npm run\` there: they keep that signal to themselves.
`
}
