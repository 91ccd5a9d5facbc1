import { useTranslation } from 'react-i18next'
import type { Intervals } from '@/api/types'
import { scaled } from '@/format/amount'
import { usePlace } from '@/format/site'
import classes from './charts.module.css'
import { slotSpan, type View } from './IntervalChart'
import { isDue, slotAt, type Metered, type Slot } from './slots'

const MOST_ROWS = 400

/** The intervals in view as a table: the chart's equal for those who cannot or do not want to see it. */
export function IntervalTable({ intervals, view, nowS, caption }: {
  intervals: Metered
  view: View
  nowS: number
  caption: string
}) {
  const { t } = useTranslation()
  const slots = intervals.values
    .map((_, index) => slotAt(intervals, index, nowS))
    .filter((slot) => isDue(slot) && (!view || (slot.end > view[0] && slot.start < view[1])))
  const shown = slots.slice(-MOST_ROWS).toReversed()
  return (
    <>
      <SlotTable slots={shown} intervals={intervals} caption={caption} />
      {slots.length > MOST_ROWS && <p className="quiet small">{t('chart.more', { count: slots.length - MOST_ROWS })}</p>}
    </>
  )
}

export function SlotTable({ slots, intervals, caption }: { slots: Slot[]; intervals: Intervals; caption: string }) {
  const { t } = useTranslation()
  const place = usePlace()
  return (
    <div className={classes.scroll} tabIndex={0} role="region" aria-label={caption}>
      <table className={classes.figures}>
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">{t('chart.interval')}</th>
            <th scope="col" className={classes.end}>{t('chart.amount')}</th>
            <th scope="col">{t('chart.quality')}</th>
          </tr>
        </thead>
        <tbody>
          {slots.map((slot) => (
            <tr key={slot.index}>
              <td>{slotSpan(slot, place)}</td>
              <td className={classes.end}>{slot.value === null ? '—' : `${scaled(slot.value, intervals.scaler)} ${intervals.unit}`}</td>
              <td>{t(`quality.${slot.quality as 'measured'}`)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
