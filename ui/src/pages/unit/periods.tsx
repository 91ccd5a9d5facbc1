import { Button } from '@mantine/core'
import { useQuery, type UseQueryResult } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useMemo, useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { daysQuery, monthsQuery } from '@/api/queries'
import type { DayConsumption, MonthConsumption, ServicePointPage } from '@/api/types'
import { Bars, type Bar } from '@/charts/Bars'
import charts from '@/charts/charts.module.css'
import type { View } from '@/charts/IntervalChart'
import { Icon } from '@/components/Icon'
import { Empty, Panel, Problem, Waiting } from '@/components/Page'
import { percent, withUnit } from '@/format/amount'
import { isWorkedOut, wordKey } from '@/format/quality'
import { usePlace, type Place } from '@/format/site'
import { dayName, daySpan, localDay, localMonth, monthName } from '@/format/time'

function dayBar(day: DayConsumption, { zone, locale }: Place): Bar {
  const workedOut = Object.entries(day.quality)
    .reduce((total, [key, part]) => (isWorkedOut(wordKey(key)) ? total + Number(part.amount) : total), 0)
  return {
    key: day.day, axis: String(Number(day.day.slice(8))), name: dayName(day.day, locale), amount: day.consumption,
    workedOut, coverage: day.coverage, pending: day.day >= localDay(new Date(), zone),
  }
}

function monthBar(month: MonthConsumption, { zone, locale }: Place): Bar {
  return {
    key: month.month, axis: monthName(month.month, locale, 'short').replace(/ \d\d(\d\d)$/, ' $1'), name: monthName(month.month, locale),
    amount: month.consumption, workedOut: 0, coverage: month.coverage, pending: month.month >= localMonth(new Date(), zone),
  }
}

/** Days of the month; choosing one shows its intervals. */
export function DaysPanel({ page, onView }: { page: ServicePointPage; onView: (view: View) => void }) {
  const { t } = useTranslation()
  const place = usePlace()
  const query = useQuery(daysQuery(page.service_point.id, page.month))
  const bars = useMemo(() => query.data?.days.map((day) => dayBar(day, place)) ?? [], [query.data, place])
  const pick = (day: string) => {
    const [start, end] = daySpan(day, page.service_point.zone)
    onView([start.getTime() / 1000, end.getTime() / 1000])
    document.getElementById('intervals')?.scrollIntoView({ behavior: 'smooth', block: 'start' })
  }
  return (
    <BarsPanel
      query={query} bars={bars} page={page} title={t('unit.days', { month: monthName(page.month, place.locale) })}
      note={query.data && t('unit.daysNote', { unit: query.data.unit })} column={t('chart.day')} onPick={pick}
    />
  )
}

/** The months so far; choosing one goes there. */
export function MonthsPanel({ page }: { page: ServicePointPage }) {
  const { t } = useTranslation()
  const place = usePlace()
  const navigate = useNavigate({ from: '/service-points/$id' })
  const query = useQuery(monthsQuery(page.service_point.id))
  const bars = useMemo(() => query.data?.months.map((month) => monthBar(month, place)) ?? [], [query.data, place])
  return (
    <BarsPanel
      query={query} bars={bars} page={page} title={t('unit.months')}
      note={query.data && t('unit.monthsNote', { unit: query.data.unit })} column={t('chart.month')}
      onPick={(month) => void navigate({ search: { month }, resetScroll: false })}
    />
  )
}

function BarsPanel({ query, bars, page, title, note, column, onPick }: {
  query: Pick<UseQueryResult<{ unit: string }>, 'data' | 'error' | 'refetch'>
  bars: Bar[]
  page: ServicePointPage
  title: string
  note: ReactNode
  column: string
  onPick: (key: string) => void
}) {
  const { t } = useTranslation()
  const [asTable, setAsTable] = useState(false)
  const { data, error, refetch } = query
  return (
    <Panel
      title={title} note={note}
      actions={bars.length > 0 && (
        <Button
          variant="default" size="sm" leftSection={<Icon name={asTable ? 'chart' : 'table'} size={16} />}
          aria-label={`${title}: ${asTable ? t('chart.asChart') : t('chart.asTable')}`} onClick={() => setAsTable(!asTable)}
        >
          {asTable ? t('chart.asChart') : t('chart.asTable')}
        </Button>
      )}
    >
      {error && !data ? <Problem error={error} title={t('error.chart')} retry={() => void refetch()} /> : null}
      {!data && !error ? <Waiting rows={3} /> : null}
      {data && bars.length === 0 && <Empty title={t('chart.empty')} hint={t('chart.emptyHint')} />}
      {data && bars.length > 0 && (asTable
        ? <BarsTable bars={bars} unit={data.unit} caption={title} column={column} onPick={onPick} />
        : <Bars bars={bars} unit={data.unit} commodity={page.service_point.commodity} label={title} onPick={onPick} />)}
    </Panel>
  )
}

function BarsTable({ bars, unit, caption, column, onPick }: {
  bars: Bar[]
  unit: string
  caption: string
  column: string
  onPick: (key: string) => void
}) {
  const { t } = useTranslation()
  const { locale } = usePlace()
  return (
    <div className={charts.scroll} tabIndex={0} role="region" aria-label={caption}>
      <table className={charts.figures}>
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">{column}</th>
            <th scope="col" className={charts.end}>{t('chart.amount')}</th>
            <th scope="col" className={charts.end}>{t('chart.covered')}</th>
          </tr>
        </thead>
        <tbody>
          {bars.map((bar) => (
            <tr key={bar.key}>
              <td><button type="button" className={charts.link} onClick={() => onPick(bar.key)}>{bar.name}</button></td>
              <td className={charts.end}>{bar.amount === null ? `— ${t(bar.pending ? 'chart.notDue' : 'chart.noReadings')}` : withUnit(bar.amount, unit, locale, 2)}</td>
              <td className={charts.end}>{percent(bar.coverage, locale)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
