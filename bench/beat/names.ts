/** The same on both sides: what a schedule is called decides when within its second it is due. */
export function nameSchedules(count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `bench-${at}`)
}
