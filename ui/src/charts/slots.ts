import type { Intervals } from '@/api/types'
import { isMarked, isWorkedOut, qualityKey } from '@/format/quality'

/** What a slot of an interval chart is: it has a value, it lacks one, none is due yet, or no meter was there. */
export type SlotState = 'value' | 'missing' | 'not_due' | 'unmetered'

/** Interval readings, and from when to when (seconds) a meter was there to send them. */
export type Metered = Intervals & { metered: readonly [number, number] }

/** Adds to readings when the meters of their service point were there: from the first one's beginning to the last end. */
export function withMeters(intervals: Intervals, meters: { from: string; to: string | null }[]): Metered {
  const seconds = (at: string | null) => (at === null ? Infinity : Date.parse(at) / 1000)
  const first = Math.min(...meters.map((meter) => seconds(meter.from)))
  return { ...intervals, metered: [first, Math.max(first, ...meters.map((meter) => seconds(meter.to)))] }
}

export interface Slot {
  index: number
  start: number
  end: number
  state: SlotState
  value: number | null
  quality: string
}

/** A run of neighbouring slots without a value although one was due; seconds, half-open. */
export interface Gap {
  start: number
  end: number
  slots: number
}

/** The two curves of the chart: what was measured and what was worked out; null where there is nothing. */
export interface Curves {
  times: number[]
  measured: (number | null)[]
  workedOut: (number | null)[]
}

/** Readings arrive some time after their interval: only later than this are they called missing. */
const GRACE_INTERVALS = 2

const dueUntil = (intervals: Metered, nowS: number) => nowS - GRACE_INTERVALS * intervals.interval_s

/** Whether a slot has a value or should have one. */
export const isDue = ({ state }: Slot) => state === 'value' || state === 'missing'

function stateOf(intervals: Metered, start: number, end: number, nowS: number): SlotState {
  const [first, last] = intervals.metered
  if (start < first || start >= last) return 'unmetered'
  return end <= dueUntil(intervals, nowS) ? 'missing' : 'not_due'
}

export function slotAt(intervals: Metered, index: number, nowS: number): Slot {
  const start = intervals.start_s + index * intervals.interval_s
  const end = start + intervals.interval_s
  const value = intervals.values[index] ?? null
  const quality = qualityKey(intervals.quality[index] ?? 0)
  const state = value !== null ? 'value' : stateOf(intervals, start, end, nowS)
  return { index, start, end, state, value, quality }
}

export function curvesOf(intervals: Intervals): Curves {
  const factor = 10 ** intervals.scaler
  const times: number[] = []
  const measured: (number | null)[] = []
  const workedOut: (number | null)[] = []
  intervals.values.forEach((value, index) => {
    const soft = isWorkedOut(qualityKey(intervals.quality[index] ?? 0))
    times.push(intervals.start_s + index * intervals.interval_s)
    measured.push(value === null || soft ? null : value * factor)
    workedOut.push(value === null || !soft ? null : value * factor)
  })
  return { times, measured, workedOut }
}

export function gapsOf(intervals: Metered, nowS: number): Gap[] {
  const gaps: Gap[] = []
  intervals.values.forEach((_, index) => {
    const { state, start, end } = slotAt(intervals, index, nowS)
    if (state !== 'missing') return
    const last = gaps.at(-1)
    if (last?.end === start) {
      last.end = end
      last.slots += 1
    } else {
      gaps.push({ start, end, slots: 1 })
    }
  })
  return gaps
}

/** Indexes of slots that somebody edited or that are doubted. */
export const marksOf = (intervals: Intervals): number[] =>
  intervals.quality.flatMap((code, index) => (isMarked(qualityKey(code)) ? [index] : []))

/** The quality words that occur, for the legend. */
export function qualitiesOf(intervals: Metered, nowS: number): string[] {
  const found = new Set<string>()
  intervals.values.forEach((value, index) => {
    if (value !== null) found.add(qualityKey(intervals.quality[index] ?? 0))
  })
  if (gapsOf(intervals, nowS).length > 0) found.add('missing')
  return [...found]
}
