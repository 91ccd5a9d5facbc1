import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { intervalsQuery } from '@/api/queries'
import type { ServicePointPage } from '@/api/types'
import charts from '@/charts/charts.module.css'
import { IntervalChart, slotSpan, tidyView, type View } from '@/charts/IntervalChart'
import { IntervalTable } from '@/charts/IntervalTable'
import { Legend } from '@/charts/Legend'
import { gapsOf, isDue, qualitiesOf, slotAt, withMeters, type Metered } from '@/charts/slots'
import { Icon } from '@/components/Icon'
import { Empty, Panel, Problem, Waiting } from '@/components/Page'
import { percent } from '@/format/amount'
import { useNow, usePlace } from '@/format/site'
import { daySpan, localDay, monthName, monthSpan } from '@/format/time'

const MOST_GAPS = 6

/** A month of interval readings: unit, period, zone and quality are said beside it. */
export function IntervalPanel({ page, view, onView }: { page: ServicePointPage; view: View; onView: (view: View) => void }) {
  const { t } = useTranslation()
  const { zone, locale } = usePlace()
  const [start, end] = spanOf(page.month, page.service_point.zone)
  const { data: given, error, refetch } = useQuery(intervalsQuery(page.service_point.id, start.toISOString(), end.toISOString()))
  const data = useMemo(() => given && withMeters(given, page.meters), [given, page.meters])
  const [asTable, setAsTable] = useState(false)
  const nowS = Math.floor(useNow(60_000) / 1000)
  const title = t('unit.intervals', { month: monthName(page.month, locale) })
  const note = data && t('unit.intervalsNote', {
    unit: data.unit, minutes: data.interval_s / 60, zone: zone.replaceAll('_', ' '), share: percent(shareKnown(data, nowS), locale),
  })
  // Where a meter is, what it did not send is missing and drawn so; where none was, there is nothing to draw.
  const metered = page.meters.some((meter) => Date.parse(meter.from) < end.getTime() && (meter.to === null || Date.parse(meter.to) > start.getTime()))
  const empty = data && !metered && data.values.every((value) => value === null)
  return (
    <Panel
      id="intervals" title={title} note={note}
      actions={data && !empty && (
        <Button variant="default" size="sm" leftSection={<Icon name={asTable ? 'chart' : 'table'} size={16} />} onClick={() => setAsTable(!asTable)}>
          {asTable ? t('chart.asChart') : t('chart.asTable')}
        </Button>
      )}
    >
      {error && !data ? <Problem error={error} title={t('error.chart')} retry={() => void refetch()} /> : null}
      {!data && !error ? <Waiting rows={4} /> : null}
      {empty && <Empty title={t('chart.empty')} hint={t('chart.emptyHint')} />}
      {data && !empty && (asTable
        ? <IntervalTable intervals={data} view={view} nowS={nowS} caption={title} />
        : <Chart data={data} page={page} view={view} onView={onView} nowS={nowS} label={title} />)}
    </Panel>
  )
}

/** The month; of the present month the days so far, so that the chart is not half empty. */
function spanOf(month: string, zone: string): [Date, Date] {
  const [start, end] = monthSpan(month, zone)
  const [, tonight] = daySpan(localDay(new Date(), zone), zone)
  return [start, tonight > start && tonight < end ? tonight : end]
}

function shareKnown(intervals: Metered, nowS: number): number {
  const due = intervals.values.map((_, index) => slotAt(intervals, index, nowS)).filter(isDue)
  return due.length === 0 ? 0 : due.filter((slot) => slot.state === 'value').length / due.length
}

function Chart({ data, page, view, onView, nowS, label }: {
  data: Metered
  page: ServicePointPage
  view: View
  onView: (view: View) => void
  nowS: number
  label: string
}) {
  const commodity = page.service_point.commodity
  return (
    <>
      <IntervalChart intervals={data} commodity={commodity} view={view} onView={onView} nowS={nowS} label={label} />
      <Legend qualities={qualitiesOf(data, nowS)} commodity={commodity} />
      <Gaps data={data} nowS={nowS} onView={onView} />
    </>
  )
}

/** The gaps by name; choosing one zooms to it. */
function Gaps({ data, nowS, onView }: { data: Metered; nowS: number; onView: (view: View) => void }) {
  const { t } = useTranslation()
  const place = usePlace()
  const gaps = gapsOf(data, nowS)
  if (gaps.length === 0) return null
  return (
    <p className={charts.gaps} data-testid="gaps">
      <span>{t('chart.gaps', { count: gaps.length })}</span>
      {gaps.slice(0, MOST_GAPS).map((gap) => {
        const room = Math.min(Math.max(6 * 3600, gap.end - gap.start), 86_400)
        return (
          <button key={gap.start} type="button" className={charts.link} onClick={() => onView(tidyView(data, gap.start - room, gap.end + room))}>
            {slotSpan(gap, place)} ({t('unit.slots', { count: gap.slots })})
          </button>
        )
      })}
      {gaps.length > MOST_GAPS && <span>…</span>}
    </p>
  )
}
