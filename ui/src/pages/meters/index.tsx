import { Button, NativeSelect, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { metersQuery } from '@/api/queries'
import type { MeterRow, MetersPage } from '@/api/types'
import { useCommodityWord } from '@/components/Commodity'
import { rank, ShapeMark } from '@/components/Flag'
import { Icon } from '@/components/Icon'
import { Empty, Page, Problem, Waiting } from '@/components/Page'
import { Sheet, sheetCsv } from '@/components/Sheet'
import { Tile, Tiles } from '@/components/Tiles'
import toolbar from '@/components/Toolbar.module.css'
import { percent } from '@/format/amount'
import { usePlace } from '@/format/site'
import { download } from '@/format/csv'
import { instant } from '@/format/time'
import { MeterHead, useMeterColumns } from './columns'

interface MeterFilters {
  q?: string | undefined
  state?: string | undefined
  commodity?: string | undefined
}

type Change = (change: MeterFilters & { sort?: string }) => void

const byName = new Intl.Collator('en', { numeric: true })
const rowKey = (row: MeterRow) => row.id
const tone = (row: MeterRow) => (row.state === 'live' ? undefined : 'attention')

const inOrder = (rows: MeterRow[]) =>
  rows.toSorted((a, b) => rank(a.state) - rank(b.state) || byName.compare(a.place, b.place) || byName.compare(a.serial, b.serial))

function matches(row: MeterRow, { q, state, commodity }: MeterFilters): boolean {
  const wanted = q?.trim().toLowerCase()
  return (!state || row.state === state) && (!commodity || row.commodity === commodity)
    && (!wanted || `${row.serial} ${row.place} ${row.commodity}`.toLowerCase().includes(wanted))
}

const countOf = (meters: MeterRow[], state: string) => meters.filter((meter) => meter.state === state).length

export function MetersPage() {
  const { site } = useParams({ from: '/inside/sites/$site/meters' })
  const search = useSearch({ from: '/inside/sites/$site/meters' })
  const navigate = useNavigate({ from: '/sites/$site/meters' })
  const { data, error, refetch } = useQuery(metersQuery(site))
  const { t } = useTranslation()
  const set: Change = (change) => void navigate({ search: (previous) => ({ ...previous, ...change }), replace: true, resetScroll: false })
  return (
    <Page title={t('meters.title')} sentence={data && data.meters.length > 0 && <MetersSentence page={data} />}>
      {error && !data ? <Problem error={error} retry={() => void refetch()} /> : null}
      {!data && !error ? <Waiting rows={10} /> : null}
      {data && <Content page={data} filters={search} sort={search.sort ?? ''} set={set} />}
    </Page>
  )
}

/** "302 of 304 meters are live; 1 is late, 1 has been silent for more than a day." */
function MetersSentence({ page: { meters, stale_after_h: hours } }: { page: MetersPage }) {
  const { t } = useTranslation()
  const wrong = (['stale', 'late', 'never'] as const).flatMap((state) => {
    const count = countOf(meters, state)
    return count > 0 ? [t(`meters.${state}`, { count, hours })] : []
  })
  const opening = t('meters.allLive', { live: countOf(meters, 'live'), count: meters.length })
  return <><b>{opening}</b>{wrong.length > 0 ? `; ${wrong.join(', ')}` : ''}.</>
}

function Content({ page, filters, sort, set }: { page: MetersPage; filters: MeterFilters; sort: string; set: Change }) {
  const { t } = useTranslation()
  const { meters } = page
  const columns = useMeterColumns(page.stale_after_h)
  const { q, state, commodity } = filters
  const ordered = useMemo(() => inOrder(meters), [meters])
  const rows = useMemo(() => ordered.filter((row) => matches(row, { q, state, commodity })), [ordered, q, state, commodity])
  if (meters.length === 0) return <Empty title={t('meters.empty')} hint={t('meters.emptyHint')} />
  const save = () => download('meters.csv', sheetCsv(rows, columns, sort))
  return (
    <>
      <MeterTiles page={page} state={state} onState={(to) => set({ state: to })} />
      <Filters meters={meters} filters={filters} set={set} shown={rows.length} save={save} />
      {rows.length === 0
        ? <Empty title={t('table.noMatch')} hint={t('table.noMatchHint')} />
        : (
          <Sheet
            rows={rows} columns={columns} rowKey={rowKey} caption={t('meters.caption')} sort={sort} tone={tone}
            onSort={(to) => set({ sort: to })} cardHead={(row) => <MeterHead row={row} />} cardOmits={['meter', 'place']}
          />
        )}
    </>
  )
}

function MeterTiles({ page: { meters, counted_from: since, stale_after_h: hours }, state, onState }: {
  page: MetersPage
  state: string | undefined
  onState: (state: string | undefined) => void
}) {
  const { t } = useTranslation()
  const { zone, locale } = usePlace()
  const due = meters.reduce((total, meter) => total + meter.reads_due, 0)
  const received = meters.reduce((total, meter) => total + meter.reads_received, 0)
  const digits = (count: number) => new Intl.NumberFormat(locale).format(count)
  const filter = (name: 'late' | 'stale' | 'never', shape: 'clock' | 'broken' | 'empty') => {
    const count = countOf(meters, name)
    return (
      <Tile
        label={t(`meters.tile.${name}`, { hours })} mark={<ShapeMark shape={shape} />} value={count || t('units.tile.none')}
        tone={count > 0 ? 'attention' : 'calm'} pressed={state === name}
        onClick={count > 0 || state === name ? () => onState(state === name ? undefined : name) : undefined}
      />
    )
  }
  return (
    <Tiles>
      <Tile label={t('meters.tile.reads')} value={due ? percent(received / due, locale) : '—'} note={t('meters.tile.readsNote', { received: digits(received), due: digits(due), since: instant(since, zone, locale) })} share={due ? Math.min(1, received / due) : 0} />
      <Tile label={t('meters.tile.live')} mark={<ShapeMark shape="dot" />} value={countOf(meters, 'live')} />
      {filter('late', 'clock')}
      {filter('stale', 'broken')}
      {filter('never', 'empty')}
    </Tiles>
  )
}

function Filters({ meters, filters, set, shown, save }: {
  meters: MeterRow[]
  filters: MeterFilters
  set: Change
  shown: number
  save: () => void
}) {
  const { t } = useTranslation()
  const word = useCommodityWord()
  const filtered = Boolean(filters.q || filters.state || filters.commodity)
  const states = (['live', 'late', 'stale', 'never'] as const).filter((state) => countOf(meters, state) > 0)
  const commodities = [...new Set(meters.map((meter) => meter.commodity))]
  const all = { value: '', label: t('table.all') }
  return (
    <div className={`${toolbar.bar} no-print`} role="search">
      <TextInput
        className={toolbar.search} type="search" label={t('table.search')} placeholder={t('meters.searchHint')}
        leftSection={<Icon name="search" size={16} />} value={filters.q ?? ''}
        onChange={(event) => set({ q: event.currentTarget.value || undefined })}
      />
      <NativeSelect
        label={t('meters.column.state')} value={filters.state ?? ''} onChange={(event) => set({ state: event.currentTarget.value || undefined })}
        data={[all, ...states.map((value) => ({ value, label: t(`meters.state.${value}`) }))]}
      />
      <NativeSelect
        label={t('units.filter.commodity')} value={filters.commodity ?? ''}
        onChange={(event) => set({ commodity: event.currentTarget.value || undefined })}
        data={[all, ...commodities.map((value) => ({ value, label: word(value) }))]}
      />
      <span className={toolbar.count} role="status">{t('table.shown', { shown, total: meters.length })}</span>
      {filtered && <Button variant="subtle" onClick={() => set({ q: undefined, state: undefined, commodity: undefined })}>{t('table.clear')}</Button>}
      <Button variant="default" leftSection={<Icon name="download" size={16} />} onClick={save} disabled={shown === 0}>{t('table.export')}</Button>
    </div>
  )
}
