import type { ReactNode } from 'react'
import type { Tone } from './Flag'
import classes from './Tiles.module.css'

export function Tiles({ children }: { children: ReactNode }) {
  return <div className={classes.tiles}>{children}</div>
}

/** One number with its word. With `onClick` it is a switch (a filter); pressed shows that it is on. */
export function Tile({ label, value, note, tone = 'calm', mark, onClick, pressed, share, children }: {
  label: string
  value: ReactNode
  note?: ReactNode
  tone?: Tone
  mark?: ReactNode
  onClick?: (() => void) | undefined
  pressed?: boolean
  share?: number
  children?: ReactNode
}) {
  const inside = (
    <>
      <span className={classes.label}>{mark}{label}</span>
      <span className={classes.value}>{value}</span>
      {share !== undefined && <span className={classes.bar}><span style={{ width: `${share * 100}%` }} /></span>}
      {children}
      {note && <span className={classes.note}>{note}</span>}
    </>
  )
  if (!onClick) return <div className={classes.tile} data-tone={tone}>{inside}</div>
  return (
    <button type="button" className={classes.tile} data-tone={tone} aria-pressed={pressed ?? false} onClick={onClick}>
      {inside}
    </button>
  )
}
