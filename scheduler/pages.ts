import { MAX_PAGE_SCHEDULES, type SchedulePage, type ScheduleQuery } from '../src/broker.ts'

/** All schedules in the order of their names, a page at a time, so that no more than a page of them is in memory. */
export async function* pagesOf(
  read: (query: ScheduleQuery) => Promise<SchedulePage>,
  query: ScheduleQuery = {},
): AsyncGenerator<SchedulePage> {
  let page = await read({ limit: MAX_PAGE_SCHEDULES, ...query })
  yield page
  while (page.cursor !== null) {
    page = await read({ limit: MAX_PAGE_SCHEDULES, ...query, cursor: page.cursor })
    yield page
  }
}
