/** What no Redis broker's run of the contract suite can show, by the case's name, with the reason. */
export const REDIS_SKIPS: Readonly<Record<string, string>> = {
  'a live lease is not taken when the wall clock steps': "the server's clock counts, and nobody's here",
  'a dead worker’s job comes back although the wall clock stepped': "the server's clock counts, and nobody's here",
  'list keeps its place while jobs are added and finish': 'a place in a list moves with what is before it',
  'a lane whose waiting time is over is not named: the hint goes to one that waits':
    'an enqueue asks for no time; the second lane that it names makes up for one that is gone',
}
