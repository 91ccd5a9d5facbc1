import { useQuery } from '@tanstack/react-query'
import { createContext, useContext, useEffect, useMemo, useState } from 'react'
import { sitesQuery } from '@/api/queries'

/** Where and how times and numbers are written on this page. */
export interface Place {
  zone: string
  locale: string
}

const PlaceContext = createContext<Place>({ zone: 'UTC', locale: 'en' })
export const PlaceProvider = PlaceContext.Provider
export const usePlace = () => useContext(PlaceContext)

/** The site's own number and date habits, in English words: "en-IN" groups lakhs and writes day before month. */
export function placeOf(zone: string, locale: string | undefined): Place {
  const region = /[-_]([A-Z]{2})\b/.exec(locale ?? '')?.[1]
  return { zone, locale: region ? `en-${region}` : 'en-GB' }
}

/** The place of a site by its id. */
export function useSitePlace(siteId: string | undefined): Place {
  const { data } = useQuery(sitesQuery)
  const site = data?.find((one) => one.id === siteId) ?? data?.[0]
  const { zone = 'UTC', locale } = site ?? {}
  return useMemo(() => placeOf(zone, locale), [zone, locale])
}

/** The present moment, renewed every half minute, so that ages on the page grow. */
export function useNow(everyMs = 30_000): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}
