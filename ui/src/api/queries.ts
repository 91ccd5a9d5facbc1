import { keepPreviousData, QueryCache, QueryClient, queryOptions } from '@tanstack/react-query'
import { ApiError, api } from './client'
import type {
  Days, Explanation, Intervals, MeterCommand, MetersPage, Months, ReconciliationRow, ServicePointPage, Session, Site, UnitsPage,
} from './types'

/** Asking again helps when nobody answered; it does not help when the server refused. */
function worthRetrying(count: number, problem: Error): boolean {
  const refused = problem instanceof ApiError && problem.status >= 400 && problem.status < 500
  return !refused && count < 2
}

/** What happens when the server no longer knows the session; set once the router exists. */
export const whenSignedOut = { act: () => {} }

const signedOut = (problem: Error) => problem instanceof ApiError && problem.status === 401

export const queryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (problem) => {
      if (signedOut(problem)) whenSignedOut.act()
    },
  }),
  defaultOptions: { queries: { retry: worthRetrying, staleTime: 20_000, refetchOnWindowFocus: true } },
})

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: ({ signal }) => api.get<Session>('/api/session', signal),
  staleTime: 5 * 60_000,
})

export const sitesQuery = queryOptions({
  queryKey: ['sites'],
  queryFn: async ({ signal }) => (await api.get<{ sites: Site[] }>('/api/sites', signal)).sites,
  staleTime: 5 * 60_000,
})

export const unitsQuery = (site: string, month: string) =>
  queryOptions({
    queryKey: ['units', site, month],
    queryFn: ({ signal }) => api.get<UnitsPage>(`/api/sites/${site}/units?month=${month}`, signal),
    placeholderData: keepPreviousData,
  })

export const metersQuery = (site: string) =>
  queryOptions({
    queryKey: ['meters', site],
    queryFn: ({ signal }) => api.get<MetersPage>(`/api/sites/${site}/meters`, signal),
  })

/** A meter's commands, newest first; asked again soon while one of them goes on. */
export const commandsQuery = (meter: string) =>
  queryOptions({
    queryKey: ['commands', meter],
    queryFn: async ({ signal }) =>
      (await api.get<{ commands: MeterCommand[] }>(`/api/meters/${meter}/commands?limit=10`, signal)).commands,
    refetchInterval: ({ state }) =>
      state.data?.some((command) => command.state === 'waiting' || command.state === 'sent') ? 2_000 : false,
  })

export const reconciliationQuery = (site: string, month: string) =>
  queryOptions({
    queryKey: ['reconciliation', site, month],
    queryFn: async ({ signal }) =>
      (await api.get<{ rows: ReconciliationRow[] }>(`/api/sites/${site}/reconciliation?month=${month}`, signal)).rows,
    placeholderData: keepPreviousData,
  })

const point = (id: string) => `/api/service-points/${id}`

export const servicePointQuery = (id: string, month: string) =>
  queryOptions({
    queryKey: ['service-point', id, 'page', month],
    queryFn: ({ signal }) => api.get<ServicePointPage>(`${point(id)}?month=${month}`, signal),
    placeholderData: keepPreviousData,
  })

export const intervalsQuery = (id: string, start: string, end: string) =>
  queryOptions({
    queryKey: ['service-point', id, 'intervals', start, end],
    queryFn: ({ signal }) =>
      api.get<Intervals>(
        `${point(id)}/intervals?start=${encodeURIComponent(start)}&end=${encodeURIComponent(end)}`, signal,
      ),
  })

export const daysQuery = (id: string, month: string) =>
  queryOptions({
    queryKey: ['service-point', id, 'days', month],
    queryFn: ({ signal }) =>
      api.get<Days>(`${point(id)}/days?month=${month}`, signal),
  })

export const monthsQuery = (id: string) =>
  queryOptions({
    queryKey: ['service-point', id, 'months'],
    queryFn: ({ signal }) => api.get<Months>(`${point(id)}/months`, signal),
  })

export const explainQuery = (id: string, month: string) =>
  queryOptions({
    queryKey: ['service-point', id, 'explain', month],
    queryFn: ({ signal }) => api.get<Explanation>(`${point(id)}/explain?month=${month}`, signal),
    staleTime: 0,
    // What came a moment ago is worked in within seconds: ask until the answer is a proof or a difference.
    refetchInterval: (query) => (query.state.data?.state === 'waiting' ? 4_000 : false),
  })
