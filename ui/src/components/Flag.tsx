import type { ReactElement } from 'react'
import classes from './Flag.module.css'

export type Tone = 'calm' | 'good' | 'critical' | 'attention' | 'offline'

const shapes = {
  check: <path d="m4.500 8.500 2.500 2.500 4.500-5.500" />,
  checks: <path d="m1.500 8.500 2.500 2.500 4.500-5.500M7.500 10.500l.5.5 4.500-5.500" />,
  drop: <path d="M8 1.500C11 5 13 7 13 10a5 5 0 0 1-10 0c0-3 2-5 5-8.500Z" fill="currentColor" />,
  broken: <path d="M2.500 2.500h11v11h-11zM2.500 8l5.500-5.500M2.500 13.500l11-11M8 13.500 13.500 8" />,
  hand: <path d="m3 13 .8-3.200L11 2.600l2.400 2.400-7.200 7.200L3 13Zm6.500-9 2.500 2.500" />,
  half: <><circle cx="8" cy="8" r="5.500" /><path d="M8 2.500a5.500 5.500 0 0 1 0 11Z" fill="currentColor" /></>,
  empty: <circle cx="8" cy="8" r="5.500" strokeDasharray="2.500 2.200" />,
  clock: <><circle cx="8" cy="8" r="5.500" /><path d="M8 4.800V8l2.200 1.600" /></>,
  dot: <circle cx="8" cy="8" r="3.500" fill="currentColor" />,
  diamond: <path d="M8 1.800 14.200 8 8 14.200 1.800 8Z" fill="currentColor" />,
} satisfies Record<string, ReactElement>

export type Shape = keyof typeof shapes

/** What each flag looks like: shape, colour; the word comes from the server. */
const looks: Record<string, [Shape, Tone]> = {
  normal: ['check', 'calm'],
  leak: ['drop', 'critical'],
  read_failure: ['broken', 'attention'],
  reconciled: ['checks', 'good'],
  self_read: ['hand', 'calm'],
  no_readings: ['empty', 'offline'],
  partial: ['half', 'offline'],
  needs_check: ['diamond', 'attention'],
  live: ['dot', 'good'],
  late: ['clock', 'attention'],
  stale: ['broken', 'attention'],
  never: ['empty', 'attention'],
}

/** Flags in the order in which a person should see them. */
export const urgency = ['leak', 'read_failure', 'needs_check', 'never', 'stale', 'late', 'no_readings', 'partial', 'self_read']

export const rank = (code: string) => {
  const found = urgency.indexOf(code)
  return found < 0 ? urgency.length : found
}

export function ShapeMark({ shape, size = 16 }: { shape: Shape; size?: number }) {
  return (
    <svg
      width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.6"
      strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false" style={{ flex: 'none' }}
    >
      {shapes[shape]}
    </svg>
  )
}

/** A state: shape, word and colour, so that no one of them carries it alone. */
export function FlagMark({ code, word, look }: { code: string; word: string; look?: readonly [Shape, Tone] }) {
  const [shape, tone] = look ?? looks[code] ?? ['diamond', 'attention']
  return (
    <span className={classes.flag} data-tone={tone} data-flag={code}>
      <ShapeMark shape={shape} />
      {word}
    </span>
  )
}
