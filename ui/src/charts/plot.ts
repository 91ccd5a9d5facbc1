import uPlot from 'uplot'
import type { Intervals } from '@/api/types'
import { clock, dayName, localClock } from '@/format/time'
import type { Place } from '@/format/site'
import { qualityKey } from '@/format/quality'
import type { Palette } from '@/theme/palette'
import { hatch } from './hatch'
import { curvesOf, gapsOf, marksOf, type Metered } from './slots'

/** What the plot shows just now; the plot asks for it at every drawing. */
export interface Scene {
  intervals: Metered
  nowS: number
}

export interface PlotOptions {
  scene: () => Scene
  palette: Palette
  colour: string
  place: Place
  width: number
  height: number
  onSelect: (start: number, end: number) => void
  onReset: () => void
  onHover: (plot: uPlot) => void
}

const LEAST_GAP_PX = 2
const MARK_PX = 4
/** Tells the plot that the path has an area of its own beside the line. */
const AREA_AND_LINE = 1

export function plotData(intervals: Intervals): uPlot.AlignedData {
  const { times, measured, workedOut } = curvesOf(intervals)
  return [times, measured, workedOut]
}

/**
 * Draws each value as a step over its own interval, from its start to its end. A slot without a value breaks the
 * outline and the area: nothing is bridged and nothing falls to zero.
 */
const steps = (intervalS: () => number): uPlot.Series.PathBuilder => (plot, series, first, last) => {
  const times = plot.data[0]
  const values = plot.data[series] as (number | null)[]
  const stroke = new Path2D()
  const fill = new Path2D()
  const floor = plot.valToPos(0, 'y', true)
  let open = false
  let right = 0
  for (let index = Math.max(0, first - 1); index <= last; index++) {
    const value = values[index]
    const start = times[index]
    if (value === null || value === undefined || start === undefined) {
      if (open) fill.lineTo(right, floor)
      open = false
      continue
    }
    const left = plot.valToPos(start, 'x', true)
    const top = plot.valToPos(value, 'y', true)
    right = plot.valToPos(start + intervalS(), 'x', true)
    if (open) {
      stroke.lineTo(left, top)
    } else {
      stroke.moveTo(left, top)
      fill.moveTo(left, floor)
    }
    fill.lineTo(left, top)
    stroke.lineTo(right, top)
    fill.lineTo(right, top)
    open = true
  }
  if (open) fill.lineTo(right, floor)
  return { stroke, fill, clip: null, band: null, flags: AREA_AND_LINE }
}

function drawGaps(plot: uPlot, { intervals, nowS }: Scene, palette: Palette): void {
  const pen = plot.ctx
  const { left, top, width, height } = plot.bbox
  pen.save()
  pen.beginPath()
  pen.rect(left, top, width, height)
  pen.clip()
  pen.fillStyle = hatch(pen, palette.hatch) ?? palette.hatch
  for (const gap of gapsOf(intervals, nowS)) {
    const from = plot.valToPos(gap.start, 'x', true)
    const to = plot.valToPos(gap.end, 'x', true)
    pen.fillRect(from, top, Math.max(to - from, LEAST_GAP_PX * devicePixelRatio), height)
  }
  pen.restore()
}

/** A small triangle over every edited value, a diamond over every doubted one. */
function drawMarks(plot: uPlot, { intervals }: Scene, palette: Palette): void {
  const pen = plot.ctx
  const size = MARK_PX * devicePixelRatio
  const { min = 0, max = 0 } = plot.scales['x'] ?? {}
  pen.save()
  pen.fillStyle = palette.attention
  for (const index of marksOf(intervals)) {
    const at = intervals.start_s + (index + 0.5) * intervals.interval_s
    const value = intervals.values[index]
    if (at < (min ?? 0) || at > (max ?? 0) || value === null || value === undefined) continue
    const x = plot.valToPos(at, 'x', true)
    const y = Math.max(plot.valToPos(value * 10 ** intervals.scaler, 'y', true) - 3 * devicePixelRatio, plot.bbox.top + 2 * size)
    const doubted = qualityKey(intervals.quality[index] ?? 0) === 'suspect'
    pen.beginPath()
    pen.moveTo(x, y)
    pen.lineTo(x - size, y - (doubted ? 1.2 : 1.7) * size)
    if (doubted) pen.lineTo(x, y - 2.4 * size)
    pen.lineTo(x + size, y - (doubted ? 1.2 : 1.7) * size)
    pen.fill()
  }
  pen.restore()
}

/** "5 Nov" at midnight and for whole days, "08:15" between. */
function timeLabels(place: Place): uPlot.Axis.DynamicValues {
  return (_, splits, __, ___, stepS) =>
    splits.map((at) => {
      const time = new Date(at * 1000)
      const local = localClock(time, place.zone)
      if (stepS < 86_400 && !local.endsWith('T00:00')) return clock(time, place.zone, place.locale)
      return dayName(local.slice(0, 10), place.locale).replace(/^\S+ /, '')
    })
}

export function makePlot(options: PlotOptions, target: HTMLElement): uPlot {
  const { scene, palette, colour, place } = options
  const axis: uPlot.Axis = {
    stroke: palette.ink2,
    grid: { stroke: palette.line, width: 1 },
    ticks: { stroke: palette.line, width: 1 },
    font: '12px system-ui, sans-serif',
  }
  const shape = steps(() => scene().intervals.interval_s)
  const plot = new uPlot(
    {
      width: options.width,
      height: options.height,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), place.zone),
      legend: { show: false },
      scales: { x: { time: true }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [
        { ...axis, values: timeLabels(place), space: 64 },
        { ...axis, size: 56, values: (_, splits) => splits.map((value) => new Intl.NumberFormat(place.locale).format(value)) },
      ],
      series: [
        {},
        { stroke: colour, fill: `${colour}33`, width: 1.2, paths: shape, points: { show: false } },
        { stroke: colour, width: 1.2, dash: [4, 3], paths: shape, points: { show: false } },
      ],
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: true, y: false, setScale: false },
        bind: {
          dblclick: () => () => {
            options.onReset()
            return null
          },
        },
      },
      hooks: {
        drawAxes: [(drawn) => drawGaps(drawn, scene(), palette)],
        draw: [(drawn) => drawMarks(drawn, scene(), palette)],
        setCursor: [options.onHover],
        setSelect: [
          (drawn) => {
            const { left, width } = drawn.select
            if (width < 4) return
            options.onSelect(drawn.posToVal(left, 'x'), drawn.posToVal(left + width, 'x'))
            drawn.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
          },
        ],
      },
    },
    plotData(scene().intervals),
    target,
  )
  return plot
}
