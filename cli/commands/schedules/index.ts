import { group } from '../../command.ts'
import add from './add.ts'
import history from './history.ts'
import list from './list.ts'
import next from './next.ts'
import { pause, resume } from './pause.ts'
import remove from './remove.ts'
import run from './run.ts'
import set from './set.ts'
import show from './show.ts'

export default group('schedules', 'List schedules; add, change, pause, run and remove them', [
  list,
  show,
  add,
  set,
  remove,
  pause,
  resume,
  run,
  history,
  next,
])
