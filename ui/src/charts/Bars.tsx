import type { EChartsCoreOption } from 'echarts/core'
import { useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import type { Commodity } from '@/api/types'
import { percent, withUnit } from '@/format/amount'
import { isMarked, isWorkedOut, type QualityPart } from '@/format/quality'
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
  /** What the amount is made of, by quality. */
  parts: QualityPart[]
  coverage: number
  /** Only a period that is over can lack something: nothing is hatched for what is to come or before a meter was there. */
  state: 'over' | 'running' | 'unmetered'
}

/** What to say of a period without a number. */
export const lackingWord = { over: 'chart.noReadings', running: 'chart.notDue', unmetered: 'chart.unmetered' } as const

interface Look {
  palette: Palette
  colour: string
  unit: string
  place: Place
  words: { lacking: (state: Bar['state']) => string; covered: (share: string) => string; quality: (key: string) => string }
}

const hatchOf = (colour: string) => ({
  symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [1.6, 4.4], rotation: -Math.PI / 4, color: colour,
})

const isPartial = (bar: Bar) => bar.amount !== null && bar.coverage < 0.9995

/** The part that no meter measured, for drawing only. */
const workedOut = (bar: Bar) =>
  bar.parts.reduce((total, part) => (isWorkedOut(part.key) ? total + Number(part.amount) : total), 0)

/** A diamond where a value is doubted, else a triangle where one was edited, as over the intervals. */
function markOf({ parts }: Bar): string {
  const marked = parts.filter((part) => isMarked(part.key)).map((part) => part.key)
  return marked.includes('suspect') ? '◆' : marked.length > 0 ? '▼' : ''
}

function tip(bar: Bar | undefined, { unit, place, words }: Look): string {
  if (!bar) return ''
  if (bar.amount === null) return `${bar.name}<br><b>${words.lacking(bar.state)}</b>`
  const amount = (value: string) => withUnit(value, unit, place.locale, 2)
  const made = bar.parts.length > 1
    ? bar.parts.map((part) => `${words.quality(part.key)}: ${amount(part.amount)}`)
    : bar.parts.map((part) => words.quality(part.key))
  const cover = isPartial(bar) ? [words.covered(percent(bar.coverage, place.locale))] : []
  return [bar.name, `<b>${amount(bar.amount)}</b>`, ...made, ...cover].join('<br>')
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
          value: bar.amount === null ? null : Number(bar.amount) - workedOut(bar),
          itemStyle: { color: colour, ...(isPartial(bar) && bar.state === 'over' ? partial : {}) },
        })),
      },
      {
        type: 'bar', stack: 'amount', barMaxWidth: 34,
        data: bars.map((bar) => ({
          value: bar.amount === null || workedOut(bar) <= 0 ? null : workedOut(bar),
          itemStyle: { color: `${colour}33`, borderColor: colour, borderType: 'dashed', borderWidth: 1.4 },
        })),
      },
      {
        type: 'bar', stack: 'amount', barMaxWidth: 34, emphasis: { disabled: true },
        label: { show: true, position: 'top', distance: 4, color: palette.attention, fontSize: 12 },
        data: bars.map((bar) => {
          const mark = bar.amount === null ? '' : markOf(bar)
          return { value: mark ? 0 : null, label: { formatter: mark } }
        }),
      },
      {
        type: 'bar', yAxisIndex: 1, barMaxWidth: 34, barGap: '-100%', z: 1, emphasis: { disabled: true },
        data: bars.map((bar) => ({
          value: bar.amount === null && bar.state === 'over' ? 1 : null,
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
      lacking: (state: Bar['state']) => t(lackingWord[state]),
      covered: (share: string) => `${t('chart.covered')}: ${share}`,
      quality: (key: string) => t(`quality.${key as 'measured'}`, { defaultValue: key }),
    }
    const look = { palette, colour: commodityColour(palette, commodity), unit, place, words }
    chart.current?.setOption(optionsOf(bars, look, label), { notMerge: true })
  }, [bars, palette, commodity, unit, place, label, t])

  return <div ref={host} className={classes.bars} style={onPick ? { cursor: 'pointer' } : undefined} role="img" aria-label={label} />
}
