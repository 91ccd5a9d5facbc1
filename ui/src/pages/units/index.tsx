import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { unitsQuery } from '@/api/queries'
import type { UnitRow, UnitsPage as Units } from '@/api/types'
import { rank } from '@/components/Flag'
import { Empty, Page, Problem, Waiting } from '@/components/Page'
import { PeriodBar } from '@/components/PeriodBar'
import { Sheet } from '@/components/Sheet'
import { usePlace } from '@/format/site'
import { monthName } from '@/format/time'
import { CardHead, useUnitColumns } from './columns'
import { Filters, matches, type UnitFilters } from './filters'
import { UnitsSentence } from './sentence'
import { UnitsTiles } from './tiles'

const byName = new Intl.Collator('en', { numeric: true })

/** What needs a person first, then building and unit as people count them. */
function inOrder(rows: UnitRow[]): UnitRow[] {
  return rows.toSorted((a, b) =>
    rank(a.flag.code) - rank(b.flag.code)
    || byName.compare(a.building, b.building)
    || Number(a.role !== 'unit') - Number(b.role !== 'unit')
    || byName.compare(a.unit, b.unit)
    || a.commodity.localeCompare(b.commodity))
}

const tone = (row: UnitRow) =>
  row.flag.code === 'leak' ? 'critical' : row.flag.code === 'read_failure' ? 'attention' : undefined

const rowKey = (row: UnitRow) => row.service_point_id

export function UnitsPage() {
  const { site } = useParams({ from: '/inside/sites/$site/units' })
  const search = useSearch({ from: '/inside/sites/$site/units' })
  const month = search.month as string
  const navigate = useNavigate({ from: '/sites/$site/units' })
  const { data, error, refetch } = useQuery(unitsQuery(site, month))
  const { t } = useTranslation()
  const set = (change: Partial<UnitFilters> & { month?: string; sort?: string }) =>
    void navigate({ search: (previous) => ({ ...previous, ...change }), replace: true, resetScroll: false })
  return (
    <Page
      title={t('units.title')} sentence={data && <UnitsSentence page={data} />}
      period={<PeriodBar month={month} onMonth={(to) => set({ month: to })} />}
    >
      {error && !data ? <Problem error={error} retry={() => void refetch()} /> : null}
      {!data && !error ? <Waiting rows={10} /> : null}
      {data && <Content data={data} search={search} set={set} />}
    </Page>
  )
}

function Content({ data, search, set }: {
  data: Units
  search: UnitFilters & { sort?: string | undefined }
  set: (change: Partial<UnitFilters> & { sort?: string }) => void
}) {
  const { t } = useTranslation()
  const { locale } = usePlace()
  const columns = useUnitColumns(data)
  const { building, commodity, flag, q, sort = '' } = search
  const ordered = useMemo(() => inOrder(data.rows), [data.rows])
  const rows = useMemo(
    () => ordered.filter((row) => matches(row, { building, commodity, flag, q })),
    [ordered, building, commodity, flag, q],
  )
  if (data.rows.length === 0) return <Empty title={t('units.empty')} hint={t('units.emptyHint')} />
  return (
    <>
      <UnitsTiles page={data} flag={flag} onFlag={(to) => set({ flag: to })} />
      <Filters page={data} rows={rows} columns={columns} filters={search} sort={sort} set={set} />
      {rows.length === 0 ? (
        <Empty title={t('table.noMatch')} hint={t('table.noMatchHint')} />
      ) : (
        <Sheet
          rows={rows} columns={columns} rowKey={rowKey} sort={sort} onSort={(to) => set({ sort: to })} tone={tone}
          caption={t('units.caption', { month: monthName(data.month, locale) })}
          cardHead={(row) => <CardHead row={row} page={data} />} cardOmits={['unit', 'consumption']}
        />
      )}
    </>
  )
}
