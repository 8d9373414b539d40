/** The member that `tq work` is. */
import { fleetApp } from './app.ts'

export default fleetApp(process.env.MEMBER ?? 'unnamed')
