import { group } from '../../command.ts'
import create from './create.ts'
import gateway from './gateway.ts'
import list from './list.ts'
import revoke from './revoke.ts'

export default group('token', 'List, make and revoke tokens', [list, create, gateway, revoke])
