/** Ticks that were looked ahead and are not due yet, with what was the schedule's last one before: what a change undoes. */
const AHEAD = `
create table tq_ahead (
  schedule text not null,
  dueAtMs integer not null,
  lastDueAtMs integer,
  jobId text not null,
  primary key (schedule, dueAtMs)
) strict, without rowid;
`

/** The jobs of schedules with a rule of overlap that have not finished, in due order, and those of them that wait. */
const TURNS = `
create table tq_turn (jobId text primary key, schedule text not null, place integer not null) strict, without rowid;
create index tq_turn_place on tq_turn (schedule, place);
create index tq_blocked on tq_job (queue) where state = 'blocked';
`

/** A beat asks for its own app's alone. */
const DUE = `create index tq_schedule_due_of on tq_schedule (app, dueAtMs) where dueAtMs is not null;
`

/** Those that were removed, which are forgotten in turn. */
const REMOVED = `create index tq_schedule_removed on tq_schedule (lastDueAtMs) where definition = '';
`

/** The beats that are there, and of each app the last one that was. */
const BEATS = `
create table tq_beat (
  app text not null,
  beat text not null,
  runtime text not null,
  startedAtMs integer not null,
  seenAtMs integer not null,
  primary key (app, beat)
) strict, without rowid;
`

/** Jobs that tell somebody how they have ended: as JSON whom. */
const CALLBACKS = `create index tq_callback on tq_job (queue) where callbacks is not null;
`

/** The last ticks of each schedule. */
const RUNS = `
create table tq_run (schedule text primary key, runs text not null) strict, without rowid;
`

/** The rate limits that are not at rest: until when their calls are paid for. Whoever counts one forgets others that are. */
const RATES = `
create table tq_rate (key text primary key, untilUs integer not null) strict, without rowid;
create index tq_rate_until on tq_rate (untilUs);
`

/**
 * The tables. A job is one row; its state says in which place it is, and every place is a partial index: ready, lost, due,
 * blocked, lease, expiry. Times are milliseconds since the epoch.
 *
 * `atMs` is when the job is due (scheduled, retrying), its lease ends (active), its record expires (finished).
 * `ahead` is true of a lease of a job claimed ahead that has not been extended yet. `input` stands last: SQLite reads a row from the front, and what is small is read most.
 */
export const SCHEMA = `
create table tq_job (
  seq integer primary key,
  id text not null unique,
  task text not null,
  queue text not null,
  state text not null,
  priority integer not null,
  createdAtMs integer not null,
  atMs integer,
  epoch integer not null default 0,
  attempts integer not null default 0,
  lost integer not null default 0,
  v integer not null default 1,
  cancelAsked integer not null default 0,
  ahead integer not null default 0,
  finishedAtMs integer,
  tick text,
  callbacks text,
  progress text,
  error text,
  result text,
  tags text,
  fingerprint text,
  input text not null
) strict;
create index tq_ready on tq_job (queue, priority desc, seq) where state = 'queued' and lost = 0;
create index tq_lost on tq_job (queue, seq) where state = 'queued' and lost > 0;
create index tq_due on tq_job (queue, atMs) where state in ('scheduled', 'retrying');
create index tq_lease on tq_job (queue, atMs) where state = 'active';
create index tq_expiry on tq_job (atMs) where state in ('succeeded', 'failed', 'cancelled', 'expired', 'removed');

create table tq_lane (lane text primary key, seq integer not null, reply text not null, atMs integer not null, presence text) strict, without rowid;
create table tq_queue (queue text primary key, paused integer not null, revision integer not null) strict, without rowid;
create table tq_waiting (topic text not null, waiter text not null, untilMs integer not null, primary key (topic, waiter)) strict, without rowid;
create index tq_waiter on tq_waiting (waiter);
create table tq_schedule (
  name text primary key,
  app text not null,
  definition text not null,
  revision integer not null,
  incarnation text not null,
  dueAtMs integer,
  lastDueAtMs integer,
  stampMs integer not null
) strict, without rowid;
${DUE}${REMOVED}${AHEAD}${TURNS}${BEATS}${RUNS}${RATES}${CALLBACKS}create table tq_meta (key text primary key, value integer not null) strict, without rowid;
`

/** What makes a database of an earlier format one of this: by the format that it has. */
export const MIGRATIONS: ReadonlyMap<number, string> = new Map([
  [1, 'alter table tq_job add column ahead integer not null default 0'],
  [2, AHEAD],
  [3, `${TURNS}${BEATS}${RUNS}drop index if exists tq_schedule_due; ${DUE}`],
  [4, REMOVED],
  [
    5,
    `alter table tq_job add column tags text;
alter table tq_job add column fingerprint text;
alter table tq_job add column callbacks text;
${RATES}${CALLBACKS}`,
  ],
])

/** Rises with every change of the tables. */
export const FORMAT = 6
/** The oldest format whose readers and writers this one still works beside. Rises only for a breaking change. */
export const COMPATIBLE_FORMAT = 1
