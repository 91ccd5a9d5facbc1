import type { EChartsCoreOption } from 'echarts/core'
import { useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import type { Commodity } from '@/api/types'
import { percent, withUnit } from '@/format/amount'
import { usePlace, type Place } from '@/format/site'
import { commodityColour, usePalette, type Palette } from '@/theme/palette'
import classes from './charts.module.css'
import { init, type EChartsType } from './echarts'

/** One bar: a period, what was used in it, how much of it is known. */
export interface Bar {
  key: string
  axis: string
  name: string
  /** Exact decimal; null when nothing is known: drawn hatched, never as zero. */
  amount: string | null
  /** The part of the amount that no meter measured. */
  workedOut: number
  coverage: number
  /** Not over yet: nothing is hatched for what is still to come. */
  pending?: boolean
}

interface Look {
  palette: Palette
  colour: string
  unit: string
  place: Place
  words: { missing: string; covered: (share: string) => string; notDue: string }
}

const hatchOf = (colour: string) => ({
  symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [1.6, 4.4], rotation: -Math.PI / 4, color: colour,
})

const isPartial = (bar: Bar) => bar.amount !== null && bar.coverage < 0.9995

function tip(bar: Bar | undefined, { unit, place, words }: Look): string {
  if (!bar) return ''
  const text = bar.amount === null
    ? (bar.pending ? words.notDue : words.missing)
    : withUnit(bar.amount, unit, place.locale, 2)
  const cover = bar.amount !== null && isPartial(bar) ? `<br>${words.covered(percent(bar.coverage, place.locale))}` : ''
  return `${bar.name}<br><b>${text}</b>${cover}`
}

function optionsOf(bars: Bar[], look: Look, label: string): EChartsCoreOption {
  const { palette, colour } = look
  const text = { color: palette.ink2, fontSize: 12 }
  const partial = { decal: hatchOf(palette.surface) }
  return {
    animation: false,
    aria: { enabled: true, label: { description: label } },
    textStyle: { fontFamily: 'inherit' },
    grid: { left: 8, right: 8, top: 14, bottom: 10, containLabel: true },
    tooltip: {
      trigger: 'axis', axisPointer: { type: 'shadow', shadowStyle: { color: palette.sunken, opacity: 0.6 } },
      backgroundColor: palette.surface, borderColor: palette.line, textStyle: { color: palette.ink, fontSize: 13 },
      formatter: (points: unknown) => tip(bars[(points as { dataIndex: number }[])[0]?.dataIndex ?? -1], look),
    },
    xAxis: {
      type: 'category', data: bars.map((bar) => bar.axis), axisLabel: { ...text, hideOverlap: true },
      axisLine: { lineStyle: { color: palette.hatch } }, axisTick: { show: false },
    },
    yAxis: [
      { type: 'value', min: 0, axisLabel: text, splitLine: { lineStyle: { color: palette.line } }, splitNumber: 4 },
      { type: 'value', min: 0, max: 1, show: false },
    ],
    series: [
      {
        type: 'bar', stack: 'amount', barMaxWidth: 34, barCategoryGap: '22%',
        data: bars.map((bar) => ({
          value: bar.amount === null ? null : Number(bar.amount) - bar.workedOut,
          itemStyle: { color: colour, ...(isPartial(bar) && !bar.pending ? partial : {}) },
        })),
      },
      {
        type: 'bar', stack: 'amount', barMaxWidth: 34,
        data: bars.map((bar) => ({
          value: bar.amount === null || bar.workedOut <= 0 ? null : bar.workedOut,
          itemStyle: { color: `${colour}33`, borderColor: colour, borderType: 'dashed', borderWidth: 1.4 },
        })),
      },
      {
        type: 'bar', yAxisIndex: 1, barMaxWidth: 34, barGap: '-100%', z: 1, emphasis: { disabled: true },
        data: bars.map((bar) => ({
          value: bar.amount === null && !bar.pending ? 1 : null,
          itemStyle: { color: 'transparent', decal: hatchOf(palette.hatch) },
        })),
      },
    ],
  }
}

/** Bars per period. A period without a number is hatched over its full height. */
export function Bars({ bars, unit, commodity, label, onPick }: {
  bars: Bar[]
  unit: string
  commodity: Commodity
  label: string
  onPick?: (key: string) => void
}) {
  const { t } = useTranslation()
  const palette = usePalette()
  const place = usePlace()
  const host = useRef<HTMLDivElement>(null)
  const chart = useRef<EChartsType | null>(null)
  const pick = useRef<(index: number) => void>(() => undefined)
  pick.current = (index) => {
    const bar = bars[index]
    if (bar && onPick) onPick(bar.key)
  }

  useEffect(() => {
    const target = host.current
    if (!target) return undefined
    const made = init(target, undefined, { renderer: 'svg' })
    chart.current = made
    made.getZr().on('click', (event) => {
      if (!made.containPixel('grid', [event.offsetX, event.offsetY])) return
      pick.current(Number(made.convertFromPixel({ xAxisIndex: 0 }, event.offsetX)))
    })
    const watcher = new ResizeObserver(() => made.resize())
    watcher.observe(target)
    return () => {
      watcher.disconnect()
      made.dispose()
      chart.current = null
    }
  }, [])

  useEffect(() => {
    const words = {
      missing: t('chart.noReadings'), notDue: t('chart.notDue'),
      covered: (share: string) => `${t('chart.covered')}: ${share}`,
    }
    const look = { palette, colour: commodityColour(palette, commodity), unit, place, words }
    chart.current?.setOption(optionsOf(bars, look, label), { notMerge: true })
  }, [bars, palette, commodity, unit, place, label, t])

  return <div ref={host} className={classes.bars} style={onPick ? { cursor: 'pointer' } : undefined} role="img" aria-label={label} />
}
