import type { UnitRow, UnitsPage } from '@/api/types'
import { sum } from '@/format/amount'
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

/** What the units used of one commodity; null when none of them has a number: nothing known is not nothing used. */
export interface Used {
  commodity: UnitRow['commodity']
  amount: string | null
  unit: string
  lacking: number
}

export function usedByUnits(rows: UnitRow[]): Used[] {
  const units = rows.filter((row) => row.role === 'unit')
  return [...new Set(units.map((row) => row.commodity))].toSorted().map((commodity) => {
    const mine = units.filter((row) => row.commodity === commodity)
    const known = mine.flatMap((row) => (row.consumption === null ? [] : [row.consumption]))
    return {
      commodity, amount: known.length > 0 ? sum(known) : null,
      unit: mine[0]?.consumption_unit ?? '', lacking: mine.length - known.length,
    }
  })
}
