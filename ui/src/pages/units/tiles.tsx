import { useTranslation } from 'react-i18next'
import type { UnitRow, UnitsPage } from '@/api/types'
import { CommodityIcon, useCommodityWord } from '@/components/Commodity'
import { ShapeMark } from '@/components/Flag'
import { Tile, Tiles } from '@/components/Tiles'
import { rounded, sum } from '@/format/amount'
import { usePlace } from '@/format/site'
import { unitsRead } from './progress'

/** Is the data whole, is anything wrong, what was used: in this order. */
export function UnitsTiles({ page, flag, onFlag }: {
  page: UnitsPage
  flag: string | undefined
  onFlag: (flag: string | undefined) => void
}) {
  const { t } = useTranslation()
  const { read_today, meters_due, leaks, read_failures } = page.summary
  const { read, units } = unitsRead(page)
  const toggle = (code: string, count: number) =>
    count > 0 || flag === code ? () => onFlag(flag === code ? undefined : code) : undefined
  return (
    <Tiles>
      <Tile
        label={t('units.tile.whole')} value={`${read} / ${units}`} share={units ? read / units : 0}
        note={t('units.tile.wholeNote', { received: read_today, due: meters_due })}
      />
      <Tile
        label={t('units.tile.leaks')} mark={<ShapeMark shape="drop" />} value={leaks || t('units.tile.none')}
        tone={leaks > 0 ? 'critical' : 'calm'} note={leaks > 0 ? t('units.tile.leaksNote') : undefined}
        onClick={toggle('leak', leaks)} pressed={flag === 'leak'}
      />
      <Tile
        label={t('units.tile.failures')} mark={<ShapeMark shape="broken" />} value={read_failures || t('units.tile.none')}
        tone={read_failures > 0 ? 'attention' : 'calm'} note={read_failures > 0 ? t('units.tile.failuresNote') : undefined}
        onClick={toggle('read_failure', read_failures)} pressed={flag === 'read_failure'}
      />
      <Used rows={page.rows} />
    </Tiles>
  )
}

function Used({ rows }: { rows: UnitRow[] }) {
  const { t } = useTranslation()
  const { locale } = usePlace()
  const word = useCommodityWord()
  const units = rows.filter((row) => row.role === 'unit')
  return [...new Set(units.map((row) => row.commodity))].toSorted().map((commodity) => {
    const mine = units.filter((row) => row.commodity === commodity)
    const known = mine.flatMap((row) => (row.consumption === null ? [] : [row.consumption]))
    const lacking = mine.length - known.length
    return (
      <Tile
        key={commodity} label={t('units.tile.used', { commodity: word(commodity) })}
        mark={<CommodityIcon commodity={commodity} />}
        value={`${rounded(sum(known), locale, 0)}\u00a0${mine[0]?.consumption_unit ?? ''}`}
        note={lacking > 0 ? t('units.tile.usedNote', { count: lacking }) : t('units.tile.usedWhole')}
      />
    )
  })
}
