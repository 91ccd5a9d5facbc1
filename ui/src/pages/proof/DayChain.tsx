import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { intervalsQuery } from '@/api/queries'
import type { ExplainedDay, ExplainedFrame, Explanation, ServicePointPage } from '@/api/types'
import { SlotTable } from '@/charts/IntervalTable'
import { isDue, slotAt, withMeters } from '@/charts/slots'
import { ShapeMark } from '@/components/Flag'
import { Problem, Waiting } from '@/components/Page'
import { useNow, usePlace } from '@/format/site'
import { dayName, daySpan } from '@/format/time'
import { FrameTable } from './evidence'
import classes from './proof.module.css'

/** The days of the month; each opens to its intervals and to the frames they were decoded from. */
export function DayChain({ proof, point }: { proof: Explanation; point: ServicePointPage }) {
  return (
    <div className={classes.days}>
      {proof.days.map((day) => <Day key={day.day} day={day} proof={proof} point={point} />)}
    </div>
  )
}

function Day({ day, proof, point }: { day: ExplainedDay; proof: Explanation; point: ServicePointPage }) {
  const { t } = useTranslation()
  const { locale } = usePlace()
  const [open, setOpen] = useState(false)
  const amount = (value: string | null) => (value === null ? '—' : `${value} ${proof.unit}`)
  return (
    <details className={classes.day} data-matches={day.matches} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span className={classes.dayMark}><ShapeMark shape={day.matches ? 'check' : 'diamond'} /></span>
        <span className={classes.dayName}>{dayName(day.day, locale)}</span>
        <b>{amount(day.consumption)}</b>
        <span className="quiet">
          {day.matches ? t('unit.slots', { count: day.slots }) : `${t('proof.rederived')}: ${amount(day.rederived)}`}
        </span>
      </summary>
      {open && <DayDetail day={day.day} frames={proof.frames} point={point} />}
    </details>
  )
}

const covers = (frame: ExplainedFrame, start: Date, end: Date) =>
  frame.covers_start !== null && frame.covers_end !== null
  && Date.parse(frame.covers_end) > start.getTime() && Date.parse(frame.covers_start) < end.getTime()

function DayDetail({ day, frames, point }: { day: string; frames: ExplainedFrame[]; point: ServicePointPage }) {
  const { t } = useTranslation()
  const { locale } = usePlace()
  const nowS = useNow(60_000) / 1000
  const [start, end] = daySpan(day, point.service_point.zone)
  const { data: given, error, refetch } = useQuery(intervalsQuery(point.service_point.id, start.toISOString(), end.toISOString()))
  const data = given && withMeters(given, point.meters)
  const mine = frames.filter((frame) => covers(frame, start, end))
  const slots = data?.values.map((_, index) => slotAt(data, index, nowS)).filter(isDue)
  return (
    <div className={classes.detail}>
      {error && !data ? <Problem error={error} title={t('error.chart')} retry={() => void refetch()} /> : null}
      {!data && !error ? <Waiting rows={3} /> : null}
      {data && slots && <SlotTable slots={slots} intervals={data} caption={dayName(day, locale)} />}
      <div>
        <h3>{t('proof.framesOfDay', { count: mine.length })}</h3>
        {mine.length > 0 && <FrameTable frames={mine} />}
      </div>
    </div>
  )
}
