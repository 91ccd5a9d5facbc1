import { useTranslation } from 'react-i18next'
import type { UnitRow, UnitsPage } from '@/api/types'
import { CommodityIcon, useCommodityWord } from '@/components/Commodity'
import { ShapeMark } from '@/components/Flag'
import { Tile, Tiles } from '@/components/Tiles'
import { withUnit } from '@/format/amount'
import { usePlace } from '@/format/site'
import { unitsRead, usedByUnits } from './progress'

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
  return usedByUnits(rows).map(({ commodity, amount, unit, lacking }) => (
    <Tile
      key={commodity} label={t('units.tile.used', { commodity: word(commodity) })}
      mark={<CommodityIcon commodity={commodity} />} value={amount === null ? '—' : withUnit(amount, unit, locale, 0)}
      note={lacking > 0 ? t('units.tile.usedNote', { count: lacking }) : t('units.tile.usedWhole')}
    />
  ))
}
