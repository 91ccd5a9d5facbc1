import type { QueryClient } from '@tanstack/react-query'
import { createContext, useContext, useEffect, useState } from 'react'
import { queryClient } from './queries'
import type { MetersPage, UnitsPage } from './types'

/** A new reading has been stored. */
interface ReadingNotice {
  meter_id: string
  service_point_id: string | null
  at: string
}

/** Amounts, flags or statements of these have been computed anew. */
interface UsageNotice {
  service_point_ids: string[]
}

/** How long notices are gathered before the pages ask again: a poll of a whole site brings hundreds at once. */
const GATHER_MS = 1_500
const POLL_MS = 60_000
const REOPEN_MS = 5_000
/** Stands for every service point on show. */
const ALL = '*'

const later = (old: string | null, now: string) => (old === null || Date.parse(old) < Date.parse(now) ? now : old)

/** Shows the time of the new reading at once; the amounts follow when the server has worked it in and says so. */
function patch(client: QueryClient, site: string, notice: ReadingNotice): void {
  client.setQueriesData<UnitsPage>({ queryKey: ['units', site] }, (page) =>
    page && {
      ...page,
      rows: page.rows.map((row) =>
        row.service_point_id === notice.service_point_id
          ? { ...row, last_read_at: later(row.last_read_at, notice.at) }
          : row,
      ),
    },
  )
  client.setQueryData<MetersPage>(['meters', site], (page) =>
    page && {
      ...page,
      meters: page.meters.map((meter) =>
        meter.id === notice.meter_id ? { ...meter, last_read_at: later(meter.last_read_at, notice.at) } : meter,
      ),
    },
  )
}

const EVERY_PAGE = ['units', 'meters', 'reconciliation']
/** What follows from the readings themselves, and what from the totals that are computed after them. */
const OF_READINGS = ['meters']
const OF_USAGE = ['units', 'reconciliation']

function refresh(client: QueryClient, site: string, pages: Iterable<string>, points: Iterable<string>): void {
  for (const key of pages) void client.invalidateQueries({ queryKey: [key, site] })
  for (const id of points) {
    // The proof is derived on request only: it is not repeated for every new reading.
    const queryKey = id === ALL ? ['service-point'] : ['service-point', id]
    void client.invalidateQueries({ queryKey, predicate: (query) => query.queryKey[2] !== 'explain' })
  }
}

/** Keeps a stream open: the browser itself repeats a broken connection, but not one the server refused. */
function keepOpen(site: string, dress: (source: EventSource) => void): () => void {
  let source: EventSource
  let again: ReturnType<typeof setTimeout> | undefined
  const open = () => {
    source = new EventSource(`/api/stream?site=${encodeURIComponent(site)}`)
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED) again = setTimeout(open, REOPEN_MS)
    })
    dress(source)
  }
  open()
  return () => {
    clearTimeout(again)
    source.close()
  }
}

function listen(site: string, onState: (live: boolean) => void): () => void {
  const pages = new Set<string>()
  const points = new Set<string>()
  let gathering: ReturnType<typeof setTimeout> | undefined
  let wasDown = false

  const settle = () => {
    gathering = undefined
    refresh(queryClient, site, [...pages], [...points])
    pages.clear()
    points.clear()
  }
  const gather = (shown: string[], ids: string[]) => {
    for (const page of shown) pages.add(page)
    for (const id of ids) points.add(id)
    gathering ??= setTimeout(settle, GATHER_MS)
  }
  const close = keepOpen(site, (source) => {
    source.addEventListener('open', () => {
      onState(true)
      // What arrived while the line was down was not announced to us.
      if (wasDown) refresh(queryClient, site, EVERY_PAGE, [ALL])
      wasDown = false
    })
    source.addEventListener('error', () => {
      wasDown = true
      onState(false)
    })
    source.addEventListener('reading', (event) => {
      const notice = JSON.parse((event as MessageEvent<string>).data) as ReadingNotice
      patch(queryClient, site, notice)
      gather(OF_READINGS, notice.service_point_id === null ? [] : [notice.service_point_id])
    })
    source.addEventListener('usage', (event) => {
      const notice = JSON.parse((event as MessageEvent<string>).data) as UsageNotice
      gather(OF_USAGE, notice.service_point_ids)
    })
    // So much arrived that it was not announced one by one.
    source.addEventListener('resync', () => refresh(queryClient, site, EVERY_PAGE, [ALL]))
  })
  return () => {
    clearTimeout(gathering)
    close()
  }
}

/** Follows the site's new readings; while the stream is down, asks every minute. Returns whether it is live. */
export function useReadingStream(site: string | undefined): boolean {
  const [live, setLive] = useState(false)
  useEffect(() => (site ? listen(site, setLive) : undefined), [site])
  useEffect(() => {
    if (live || !site) return undefined
    const timer = setInterval(() => refresh(queryClient, site, EVERY_PAGE, [ALL]), POLL_MS)
    return () => clearInterval(timer)
  }, [live, site])
  return live
}

const LiveContext = createContext(false)
export const LiveProvider = LiveContext.Provider
export const useLive = () => useContext(LiveContext)
