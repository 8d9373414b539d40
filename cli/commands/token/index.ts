import { group } from '../../command.ts'
import create from './create.ts'
import list from './list.ts'
import revoke from './revoke.ts'

export default group('token', 'List, make and revoke the tokens of the REST API', [list, create, revoke])
