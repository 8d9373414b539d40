/** The app that `tq beat` is given here: of the shape in BENCH_APP. */
import { toApp } from './app.ts'

export default toApp(JSON.parse(process.env.BENCH_APP ?? ''))
