import { Button } from '@mantine/core'
import { useQuery, type UseQueryResult } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useMemo, useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { daysQuery, monthsQuery } from '@/api/queries'
import type { DayConsumption, MonthConsumption, ServicePointPage } from '@/api/types'
import { Bars, lackingWord, type Bar } from '@/charts/Bars'
import charts from '@/charts/charts.module.css'
import { Legend } from '@/charts/Legend'
import type { View } from '@/charts/IntervalChart'
import { Icon } from '@/components/Icon'
import { Empty, Panel, Problem, Waiting } from '@/components/Page'
import { percent, withUnit } from '@/format/amount'
import { isMarked, isWorkedOut, partsOf } from '@/format/quality'
import { usePlace, type Place } from '@/format/site'
import { dayName, daySpan, localDay, localMonth, monthName } from '@/format/time'

function dayBar(day: DayConsumption, { zone, locale }: Place): Bar {
  const state = !day.due ? 'unmetered' : day.day >= localDay(new Date(), zone) ? 'running' : 'over'
  return {
    key: day.day, axis: String(Number(day.day.slice(8))), name: dayName(day.day, locale), amount: day.consumption,
    parts: partsOf(day.quality), coverage: day.coverage, state,
  }
}

function monthBar(month: MonthConsumption, { zone, locale }: Place): Bar {
  return {
    key: month.month, axis: monthName(month.month, locale, 'short').replace(/ \d\d(\d\d)$/, ' $1'), name: monthName(month.month, locale),
    amount: month.consumption, parts: partsOf(month.quality), coverage: month.coverage,
    state: month.month >= localMonth(new Date(), zone) ? 'running' : 'over',
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
        : (
          <>
            <Bars bars={bars} unit={data.unit} commodity={page.service_point.commodity} label={title} onPick={onPick} />
            <Legend qualities={qualitiesIn(bars)} commodity={page.service_point.commodity} />
          </>
        ))}
    </Panel>
  )
}

/** The qualities that need a sign of their own; "measured" stands for itself until another one stands beside it. */
function qualitiesIn(bars: Bar[]): string[] {
  const found = new Set(bars.flatMap((bar) => bar.parts.map((part) => part.key)))
  if (bars.some((bar) => bar.amount === null && bar.state === 'over')) found.add('missing')
  return [...found].some((key) => isWorkedOut(key) || isMarked(key) || key === 'missing') ? [...found] : []
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
            <th scope="col">{t('chart.quality')}</th>
          </tr>
        </thead>
        <tbody>
          {bars.map((bar) => (
            <tr key={bar.key}>
              <td><button type="button" className={charts.link} onClick={() => onPick(bar.key)}>{bar.name}</button></td>
              <td className={charts.end}>{bar.amount === null ? `— ${t(lackingWord[bar.state])}` : withUnit(bar.amount, unit, locale, 2)}</td>
              <td className={charts.end}>{bar.state === 'unmetered' ? '—' : percent(bar.coverage, locale)}</td>
              <td>{qualityText(bar, unit, locale, (key) => t(`quality.${key as 'measured'}`, { defaultValue: key }))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** "measured", or each quality with its part: "measured 12.10 kWh, estimated 0.42 kWh". */
function qualityText({ amount, parts }: Bar, unit: string, locale: string, word: (key: string) => string): string {
  if (amount === null || parts.length === 0) return '—'
  if (parts.length === 1) return parts.map((part) => word(part.key)).join('')
  return parts.map((part) => `${word(part.key)}\u00a0${withUnit(part.amount, unit, locale, 2)}`).join(', ')
}
