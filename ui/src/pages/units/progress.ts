import type { UnitsPage } from '@/api/types'
import { localDay } from '@/format/time'

/** How many units have been read today, by the site's calendar: every meter of the unit, not one of them. */
export function unitsRead(page: UnitsPage): { read: number; units: number } {
  const today = localDay(new Date(), page.zone)
  const whole = new Map<string, boolean>()
  for (const row of page.rows) {
    if (row.role !== 'unit') continue
    const unit = `${row.building} ${row.unit}`
    const read = row.last_read_at !== null && localDay(new Date(row.last_read_at), page.zone) === today
    whole.set(unit, read && (whole.get(unit) ?? true))
  }
  return { read: [...whole.values()].filter(Boolean).length, units: whole.size }
}
