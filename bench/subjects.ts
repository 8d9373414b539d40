import { sqlite } from './sqlite.ts'
import type { Subject } from './subject.ts'

const subjects: readonly Subject[] = [sqlite]

export function subjectOf(broker: string): Subject {
  const subject = subjects.find((one) => one.broker === broker)
  if (subject) return subject
  throw new Error(`expected a broker of ${subjects.map((one) => one.broker).join(', ')}, got ${broker}`)
}
