/**
 * What becomes of jobs, where the file is to keep it. Triggers write it down, so that it is of all who use the file, in the very step in
 * which it happens, whether they know of it or not; the step then says when it was.
 *
 * @module
 */
import { STUB_MS, type Transition, type TransitionPage, type TransitionQuery } from '../../../src/broker.ts'
import { InvalidOption } from '../../../src/errors.ts'
import { MAX_EVENTS } from '../../../src/transitions.ts'
import { type Driver, transaction } from './driver.ts'

const TABLE = `
create table if not exists tq_event (
  seq integer primary key,
  id text not null,
  task text not null,
  queue text not null,
  state text not null,
  attempts integer not null,
  atMs integer
) strict;
create index if not exists tq_event_new on tq_event (id) where atMs is null;
`

const note = (row: string, state = `${row}.state`) =>
  `insert into tq_event (id, task, queue, state, attempts) select ${row}.id, ${row}.task, ${row}.queue, ${state}, ${row}.attempts`

/** That a job falls due, and that its record's time is over, is told of by no broker. */
const FALLS_DUE = `new.state = 'queued' and old.state in ('scheduled', 'retrying') and new.epoch = old.epoch`
const EXPIRES = `new.state = 'removed' and old.finishedAtMs is not null and old.atMs < new.atMs and new.atMs = old.finishedAtMs + ${STUB_MS}`
const IS_OPEN = `old.state not in ('succeeded', 'failed', 'cancelled', 'expired', 'removed')`

/**
 * What is deleted in the step that has stored it was never there: a full queue. So none of a step's own is forgotten before its end, but where
 * nobody who says when it was is left.
 */
const triggersOf = (maxEvents: number) => `
create trigger tq_event_made after insert on tq_job when new.state <> 'removed' begin ${note('new')}; end;
create trigger tq_event_changed after update of state on tq_job
when new.state <> old.state and not (${FALLS_DUE}) and not (${EXPIRES}) begin ${note('new')}; end;
create trigger tq_event_deleted after delete on tq_job when ${IS_OPEN} begin
  ${note('old', `'removed'`)} where not exists (select 1 from tq_event where id = old.id and atMs is null);
  delete from tq_event where id = old.id and atMs is null and state <> 'removed';
end;
create trigger tq_event_kept after update of atMs on tq_event begin delete from tq_event where seq <= new.seq - ${maxEvents}; end;
create trigger tq_event_bounded after insert on tq_event begin delete from tq_event where seq <= new.seq - ${MAX_EVENTS}; end;
`
const DROP = ['made', 'changed', 'deleted', 'kept', 'bounded']
  .map((name) => `drop trigger if exists tq_event_${name};`)
  .join('')

/** Where they were is kept while they are off. Later an event of nothing, two behind, has those who had read so far see a gap. */
const FORGET = `
insert or replace into tq_meta (key, value) select 'lastEvent', coalesce(max(seq), 0) from tq_event;
delete from tq_event;
`
const GO_ON = `
insert into tq_event (seq, id, task, queue, state, attempts, atMs)
select value + 2, '', '', '', '', 0, 0 from tq_meta where key = 'lastEvent';
delete from tq_meta where key = 'lastEvent';
`

const KEPT = `select value from tq_meta where key = 'maxEvents'`

/** Has the file keep so many, none for 0, or what it has been told before. Answers whether it keeps any. */
export function keepEvents(driver: Driver, maxEvents: number | undefined): boolean {
  const kept = () => Number(driver.all(KEPT)[0]?.value ?? 0)
  if (maxEvents === undefined || maxEvents === kept()) return kept() > 0
  transaction(driver, () => {
    // Not the table, which others may still write to.
    driver.exec(`${TABLE}${DROP}${maxEvents > 0 ? `${GO_ON}${triggersOf(maxEvents)}` : FORGET}`)
    driver.run(`insert or replace into tq_meta (key, value) values ('maxEvents', ?)`, maxEvents)
  })
  return maxEvents > 0
}

/** At the end of a step, and before a read: of those who do not know that the file keeps any, nobody else would. */
export function stampEvents(driver: Driver, nowMs: number): void {
  driver.run('update tq_event set atMs = ? where atMs is null', nowMs)
}

const DEFAULT_PAGE = 1_000
const SPAN = 'select min(seq) as first, max(seq) as last from tq_event'
const READ = `select * from tq_event where seq > ? and state <> '' order by seq limit ?`

export function transitionsStep(driver: Driver, { after, limit = DEFAULT_PAGE }: TransitionQuery): TransitionPage {
  const [span] = driver.all(SPAN)
  const [first, last] = [Number(span?.first ?? 1), Number(span?.last ?? 0)]
  if (after === undefined) return { transitions: [], cursor: toCursor(last), more: false }
  if (!/^\d{16}$/.test(after)) throw new InvalidOption('after', 'the cursor of an earlier event', 'another text')
  // Of another file, or of this one before its events were turned off.
  const isForeign = Number(after) > last
  const from = isForeign ? first - 1 : Number(after)
  const rows = driver.all(READ, from, limit + 1)
  const transitions = rows
    .slice(0, limit)
    .map(
      ({ seq, id, task, queue, state, attempts, atMs }) =>
        ({ cursor: toCursor(Number(seq)), atMs, id, task, queue, state, attempts }) as Transition,
    )
  const gap = isForeign || from < first - 1
  const cursor = transitions.at(-1)?.cursor ?? toCursor(from)
  return { transitions, cursor, more: rows.length > limit, ...(gap ? { gap } : {}) }
}

const toCursor = (seq: number) => String(seq).padStart(16, '0')
