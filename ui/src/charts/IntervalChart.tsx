import 'uplot/dist/uPlot.min.css'
import { ActionIcon, Button } from '@mantine/core'
import { useEffect, useRef, useState, type KeyboardEvent } from 'react'
import { useTranslation } from 'react-i18next'
import type uPlot from 'uplot'
import type { Commodity, Intervals } from '@/api/types'
import { Icon, type IconName } from '@/components/Icon'
import { scaled } from '@/format/amount'
import { usePlace, type Place } from '@/format/site'
import { clock, dayName, localDay } from '@/format/time'
import { commodityColour, usePalette } from '@/theme/palette'
import classes from './charts.module.css'
import { makePlot, plotData, type Scene } from './plot'
import { slotAt, type Metered, type Slot, type SlotState } from './slots'

/** The part of the period in view, in seconds; null for all of it. */
export type View = [number, number] | null

const LEAST_INTERVALS = 8

/** Keeps a view within the period and not smaller than a few intervals; the whole period becomes null. */
export function tidyView(intervals: Intervals, start: number, end: number): View {
  const first = intervals.start_s
  const last = first + intervals.values.length * intervals.interval_s
  const span = Math.min(Math.max(end - start, LEAST_INTERVALS * intervals.interval_s), last - first)
  const from = Math.min(Math.max(start, first), last - span)
  return span >= last - first ? null : [Math.round(from), Math.round(from + span)]
}

interface Hover {
  slot: Slot
  left: number
  flip: boolean
}

/** Every interval of a period as steps; gaps are hatched, worked-out values dashed, edited ones marked. */
export function IntervalChart({ intervals, commodity, view, onView, nowS, label }: {
  intervals: Metered
  commodity: Commodity
  view: View
  onView: (view: View) => void
  nowS: number
  label: string
}) {
  const { t } = useTranslation()
  const place = usePlace()
  const { host, hover, clear } = usePlot({ intervals, commodity, view, onView, nowS, place })
  const whole: [number, number] = [intervals.start_s, intervals.start_s + intervals.values.length * intervals.interval_s]
  const [start, end] = view ?? whole
  const width = end - start
  const move = (by: number) => onView(tidyView(intervals, start + by * width, end + by * width))
  const zoom = (by: number) => onView(tidyView(intervals, start + (width * (1 - by)) / 2, end - (width * (1 - by)) / 2))
  const keys: Record<string, () => void> = {
    ArrowLeft: () => move(-0.25), ArrowRight: () => move(0.25), '+': () => zoom(0.5), '=': () => zoom(0.5),
    '-': () => zoom(2), Escape: () => onView(null), '0': () => onView(null),
  }
  const onKey = (event: KeyboardEvent) => {
    const act = keys[event.key]
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    act()
  }
  const button = (icon: IconName, name: string, act: () => void, off = false) => (
    <ActionIcon variant="default" size="lg" aria-label={name} title={name} onClick={act} disabled={off}><Icon name={icon} /></ActionIcon>
  )
  return (
    <div>
      <div className={`${classes.tools} no-print`} role="group" aria-label={label}>
        {button('previous', t('chart.earlier'), () => move(-0.5), !view)}
        {button('next', t('chart.later'), () => move(0.5), !view)}
        {button('zoomIn', t('chart.zoomIn'), () => zoom(0.5))}
        {button('zoomOut', t('chart.zoomOut'), () => zoom(2), !view)}
        <Button variant="default" size="sm" disabled={!view} onClick={() => onView(null)} data-testid="reset-zoom">{t('chart.reset')}</Button>
        <span className={classes.hint}>{view ? slotSpan({ start, end }, place) : t('chart.hint')}</span>
      </div>
      <div className={classes.plotFrame} onMouseLeave={clear}>
        {/* The chart takes keys itself: a focusable figure is the way to reach them without a pointer. */}
        <div ref={host} className={classes.plot} tabIndex={0} role="application" aria-label={`${label}. ${t('chart.hint')}`} onKeyDown={onKey} />
        {hover && <Tip hover={hover} intervals={intervals} place={place} />}
      </div>
    </div>
  )
}

function usePlot({ intervals, commodity, view, onView, nowS, place }: {
  intervals: Metered
  commodity: Commodity
  view: View
  onView: (view: View) => void
  nowS: number
  place: Place
}) {
  const palette = usePalette()
  const colour = commodityColour(palette, commodity)
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const scene = useRef<Scene>({ intervals, nowS })
  const choose = useRef(onView)
  const [hover, setHover] = useState<Hover | null>(null)
  scene.current = { intervals, nowS }
  choose.current = onView

  useEffect(() => {
    const target = host.current
    if (!target) return undefined
    const size = () => ({ width: target.clientWidth, height: target.clientWidth < 560 ? 220 : 290 })
    const made = makePlot(
      {
        scene: () => scene.current, palette, colour, place, ...size(),
        onSelect: (start, end) => choose.current(tidyView(scene.current.intervals, start, end)),
        onReset: () => choose.current(null),
        onHover: (drawn) => setHover(hoverOf(drawn, scene.current)),
      },
      target,
    )
    plot.current = made
    const watcher = new ResizeObserver(() => made.setSize(size()))
    watcher.observe(target)
    return () => {
      watcher.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [palette, colour, place])

  const [from, to] = view ?? [intervals.start_s, intervals.start_s + intervals.values.length * intervals.interval_s]
  useEffect(() => {
    const drawn = plot.current
    if (!drawn) return
    drawn.batch(() => {
      drawn.setData(plotData(intervals), false)
      drawn.setScale('x', { min: from, max: to })
    })
  }, [intervals, from, to, palette, colour, place])

  return { host, hover, clear: () => setHover(null) }
}

function hoverOf(plot: uPlot, { intervals, nowS }: Scene): Hover | null {
  const left = plot.cursor.left ?? -1
  if (left < 0) return null
  const index = Math.floor((plot.posToVal(left, 'x') - intervals.start_s) / intervals.interval_s)
  if (index < 0 || index >= intervals.values.length) return null
  const offset = plot.over.offsetLeft
  return { slot: slotAt(intervals, index, nowS), left: left + offset, flip: left > plot.over.clientWidth / 2 }
}

const lacking: Record<Exclude<SlotState, 'value'>, 'chart.missing' | 'chart.notDue' | 'chart.unmetered'> = {
  missing: 'chart.missing', not_due: 'chart.notDue', unmetered: 'chart.unmetered',
}

function Tip({ hover: { slot, left, flip }, intervals, place }: { hover: Hover; intervals: Intervals; place: Place }) {
  const { t } = useTranslation()
  return (
    <div className={classes.tip} data-flip={flip} style={{ left }} aria-hidden="true">
      <span className="quiet">{slotSpan(slot, place)}</span>
      <b>{slot.state !== 'value' || slot.value === null ? t(lacking[slot.state as 'missing']) : `${scaled(slot.value, intervals.scaler)} ${intervals.unit}`}</b>
      {slot.value !== null && <span>{t(`quality.${slot.quality as 'measured'}`)}</span>}
    </div>
  )
}

/** "Thu 5 Nov, 08:15 – 08:30": the half-open interval a value belongs to. */
export function slotSpan(slot: { start: number; end: number }, { zone, locale }: Place): string {
  const [start, end] = [new Date(slot.start * 1000), new Date(slot.end * 1000)]
  const [first, last] = [localDay(start, zone), localDay(end, zone)]
  // A span that ends with its day, or is longer than one, names the day it ends on.
  const lastDay = first === last || slot.end - slot.start < 86_400 && clock(end, zone, locale) === '00:00' ? '' : `${dayName(last, locale)}, `
  return `${dayName(first, locale)}, ${clock(start, zone, locale)} – ${lastDay}${clock(end, zone, locale)}`
}
