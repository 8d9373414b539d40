/** Every key of the broker, one function per place. All share one hash tag: a cluster keeps them on one node. */
export interface Keys {
  readonly prefix: string
  /** The job's record. */
  job(id: string): string
  /** What belongs to a queue: see `QUEUE_PLACES`. */
  queue(queue: string, place: QueuePlace): string
  /** A lane's last reply, for replay. */
  lane(lane: string): string
  /** Everything else, by name: `queues`, `workers`, `windows`, `schedules`, `large` (of those the sizes of the large ones), `names` (theirs, in order), `removed`, `due`, `beats`, `events`, `meta`. */
  named(name: string): string
}

/**
 * The places of a queue: `r` list of ids that are ready, `p` zset of ids with a priority, `l` zset of leases, `t` zset of
 * due times, `w` list of waiting lanes, `f` zset of failed jobs, `s` its settings.
 */
export const QUEUE_PLACES = ['r', 'p', 'l', 't', 'w', 'f', 's'] as const
export type QueuePlace = (typeof QUEUE_PLACES)[number]

export function createKeys(prefix: string): Keys {
  const tagged = `{${prefix}}:`
  return {
    prefix: tagged,
    job: (id) => `${tagged}j:${id}`,
    queue: (queue, place) => `${tagged}q:${queue}:${place}`,
    lane: (lane) => `${tagged}w:${lane}`,
    named: (name) => `${tagged}${name}`,
  }
}
