import { Button, NativeSelect, TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { UnitRow, UnitsPage } from '@/api/types'
import { useCommodityWord } from '@/components/Commodity'
import { Icon } from '@/components/Icon'
import { sheetCsv, type Column } from '@/components/Sheet'
import toolbar from '@/components/Toolbar.module.css'
import { download } from '@/format/csv'

export interface UnitFilters {
  building?: string | undefined
  commodity?: string | undefined
  flag?: string | undefined
  q?: string | undefined
}

/** Whether a row is within the filters; the search looks at unit, building and commodity. */
export function matches(row: UnitRow, { building, commodity, flag, q }: UnitFilters): boolean {
  const wanted = q?.trim().toLowerCase()
  return (
    (!building || row.building === building)
    && (!commodity || row.commodity === commodity)
    && (!flag || row.flag.code === flag)
    && (!wanted || `${row.unit} ${row.building} ${row.commodity} ${row.role}`.toLowerCase().includes(wanted))
  )
}

const distinct = (values: string[]) => [...new Set(values)].toSorted(new Intl.Collator('en', { numeric: true }).compare)

export function Filters({ page, rows, columns, filters, sort, set }: {
  page: UnitsPage
  rows: UnitRow[]
  columns: Column<UnitRow>[]
  filters: UnitFilters
  sort: string
  set: (change: Partial<UnitFilters>) => void
}) {
  const { t } = useTranslation()
  const word = useCommodityWord()
  const words = new Map(page.rows.map((row) => [row.flag.code as string, row.flag.word.split(',')[0]!]))
  const pick = (name: 'building' | 'commodity' | 'flag', label: string, options: { value: string; label: string }[]) => (
    <NativeSelect
      label={label} value={filters[name] ?? ''} data={[{ value: '', label: t('table.all') }, ...options]}
      onChange={(event) => set({ [name]: event.currentTarget.value || undefined })}
    />
  )
  const filtered = Boolean(filters.building || filters.commodity || filters.flag || filters.q)
  const save = () => download(`units-${page.site.name}-${page.month}.csv`.replaceAll(/[^\w.-]+/g, '-'), sheetCsv(rows, columns, sort))
  return (
    <div className={`${toolbar.bar} no-print`} role="search">
      <TextInput
        className={toolbar.search} label={t('table.search')} placeholder={t('units.searchHint')} type="search"
        leftSection={<Icon name="search" size={16} />} value={filters.q ?? ''}
        onChange={(event) => set({ q: event.currentTarget.value || undefined })}
      />
      {pick('building', t('units.filter.building'), distinct(page.rows.map((row) => row.building)).map((value) => ({ value, label: value })))}
      {pick('commodity', t('units.filter.commodity'), distinct(page.rows.map((row) => row.commodity)).map((value) => ({ value, label: word(value as UnitRow['commodity']) })))}
      {pick('flag', t('units.filter.flag'), [...words].map(([value, label]) => ({ value, label })))}
      <span className={toolbar.count} role="status">
        {t('table.shown', { shown: rows.length, total: page.rows.length })}
      </span>
      {filtered && (
        <Button variant="subtle" onClick={() => set({ building: undefined, commodity: undefined, flag: undefined, q: undefined })}>
          {t('table.clear')}
        </Button>
      )}
      <Button variant="default" leftSection={<Icon name="download" size={16} />} onClick={save} disabled={rows.length === 0}>
        {t('table.export')}
      </Button>
    </div>
  )
}
