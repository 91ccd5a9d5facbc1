/** Times for people. Everything is shown in the site's zone; the browser's own zone is never used. */

const MINUTE_MS = 60_000

interface LocalParts {
  year: number
  month: number
  day: number
  hour: number
  minute: number
  second: number
}

const formatters = new Map<string, Intl.DateTimeFormat>()

function formatter(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale + JSON.stringify(options)
  let found = formatters.get(key)
  if (!found) formatters.set(key, (found = new Intl.DateTimeFormat(locale, options)))
  return found
}

function localParts(at: Date, zone: string): LocalParts {
  const parts: Record<string, number> = {}
  const shape = formatter('en-US', {
    timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric',
    hour: 'numeric', minute: 'numeric', second: 'numeric',
  })
  for (const part of shape.formatToParts(at)) {
    if (part.type !== 'literal') parts[part.type] = Number(part.value)
  }
  return parts as unknown as LocalParts
}

function offsetMs(at: Date, zone: string): number {
  const p = localParts(at, zone)
  const asUtc = Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second)
  return asUtc - Math.floor(at.getTime() / 1000) * 1000
}

/** The instant at which clocks in `zone` show `local` ("2026-11-01T00:00"); the first of two in autumn. */
export function zonedToUtc(local: string, zone: string): Date {
  const guess = Date.parse(`${local}Z`)
  const early = guess - offsetMs(new Date(guess - 86_400_000), zone)
  const late = guess - offsetMs(new Date(guess + 86_400_000), zone)
  const exact = [early, late].filter((at) => at + offsetMs(new Date(at), zone) === guess)
  return new Date(exact.length > 0 ? Math.min(...exact) : Math.max(early, late))
}

const two = (n: number) => String(n).padStart(2, '0')

/** "2026-11-20T08:15": the wall clock of `zone` at `at`, as an input field wants it. */
export function localClock(at: Date, zone: string): string {
  const p = localParts(at, zone)
  return `${p.year}-${two(p.month)}-${two(p.day)}T${two(p.hour)}:${two(p.minute)}`
}

/** "2026-11-20": the day in `zone` at `at`. */
export const localDay = (at: Date, zone: string) => localClock(at, zone).slice(0, 10)

/** "2026-11": the month in `zone` at `at`. */
export const localMonth = (at: Date, zone: string) => localClock(at, zone).slice(0, 7)

/** Whether `month` is a month as the address writes it, "2026-11". */
export const isMonth = (month: unknown): month is string =>
  typeof month === 'string' && /^\d{4}-(0[1-9]|1[0-2])$/.test(month)

/** The month `by` months after `month`. */
export function shiftMonth(month: string, by: number): string {
  const count = Number(month.slice(0, 4)) * 12 + Number(month.slice(5)) - 1 + by
  return `${Math.floor(count / 12)}-${two((count % 12) + 1)}`
}

/** First and last instant of the site-local month, half-open. */
export function monthSpan(month: string, zone: string): [Date, Date] {
  return [zonedToUtc(`${month}-01T00:00`, zone), zonedToUtc(`${shiftMonth(month, 1)}-01T00:00`, zone)]
}

/** First and last instant of the site-local day, half-open. */
export function daySpan(day: string, zone: string): [Date, Date] {
  const next = new Date(Date.parse(`${day}T00:00Z`) + 86_400_000).toISOString().slice(0, 10)
  return [zonedToUtc(`${day}T00:00`, zone), zonedToUtc(`${next}T00:00`, zone)]
}

/** "November 2026". */
export const monthName = (month: string, locale: string, style: 'long' | 'short' = 'long') =>
  formatter(locale, { timeZone: 'UTC', month: style, year: 'numeric' }).format(new Date(`${month}-15T00:00Z`))

/** "Fri 20 Nov". */
export const dayName = (day: string, locale: string) =>
  formatter(locale, { timeZone: 'UTC', weekday: 'short', day: 'numeric', month: 'short' })
    .format(new Date(`${day}T12:00Z`))

/** "20 Nov 2026, 08:15" in the site's zone. */
export const instant = (at: Date | string, zone: string, locale: string) =>
  formatter(locale, {
    timeZone: zone, day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23',
  }).format(new Date(at))

/** "08:15" in the site's zone. */
export const clock = (at: Date, zone: string, locale: string) =>
  formatter(locale, { timeZone: zone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at)

/** "3 minutes ago", "2 days ago". */
export function age(at: string, now: number, locale: string): string {
  const minutes = Math.round((Date.parse(at) - now) / MINUTE_MS)
  const words = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'long' })
  const size = Math.abs(minutes)
  if (size < 1) return words.format(0, 'minute') === 'this minute' ? 'just now' : words.format(0, 'second')
  if (size < 60) return words.format(minutes, 'minute')
  if (size < 36 * 60) return words.format(Math.round(minutes / 60), 'hour')
  return words.format(Math.round(minutes / 1440), 'day')
}

/** "Asia/Kolkata (UTC+05:30)". */
export function zoneName(zone: string, at: Date): string {
  const minutes = Math.round(offsetMs(at, zone) / MINUTE_MS)
  const sign = minutes < 0 ? '−' : '+'
  const size = Math.abs(minutes)
  return `${zone.replaceAll('_', ' ')} (UTC${sign}${two(Math.floor(size / 60))}:${two(size % 60)})`
}
