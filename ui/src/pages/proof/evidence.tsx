import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Button } from '@mantine/core'
import type { ExplainedFrame, Explanation } from '@/api/types'
import charts from '@/charts/charts.module.css'
import { Panel } from '@/components/Page'
import { usePlace } from '@/format/site'
import { instant } from '@/format/time'
import classes from './proof.module.css'

const FIRST_FRAMES = 40

export function FrameTable({ frames }: { frames: ExplainedFrame[] }) {
  const { t } = useTranslation()
  const { zone, locale } = usePlace()
  const when = (at: string | null) => (at ? instant(at, zone, locale) : '—')
  const title = t('proof.frames')
  return (
    <div className={charts.scroll} tabIndex={0} role="region" aria-label={title}>
      <table className={charts.figures}>
        <caption className="sr-only">{title}</caption>
        <thead>
          <tr>{(['received', 'covers', 'rows', 'codec', 'sha256'] as const).map((column) => <th key={column} scope="col">{t(`proof.frame.${column}`)}</th>)}</tr>
        </thead>
        <tbody>
          {frames.map((frame) => (
            <tr key={frame.id}>
              <td>{when(frame.received_at)}</td>
              <td>{when(frame.covers_start)} – {when(frame.covers_end)}</td>
              <td>{frame.rows}</td>
              <td>{frame.codec}</td>
              <td className={`mono ${classes.hash}`}>{frame.sha256}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

export function Frames({ frames }: { frames: ExplainedFrame[] }) {
  const { t } = useTranslation()
  const [all, setAll] = useState(false)
  const shown = all ? frames : frames.slice(0, FIRST_FRAMES)
  return (
    <Panel title={`${t('proof.frames')} (${frames.length})`} note={t('proof.framesLead')}>
      {frames.length === 0 ? <p className="quiet">{t('proof.noFrames')}</p> : <FrameTable frames={shown} />}
      {shown.length < frames.length && (
        <Button variant="subtle" onClick={() => setAll(true)}>{t('proof.allFrames', { count: frames.length })}</Button>
      )}
    </Panel>
  )
}

const own = (value: string | null, unit: string) => (value === null ? '—' : `${value}\u00a0${unit}`)

export function Edits({ edits }: { edits: Explanation['edits'] }) {
  const { t } = useTranslation()
  const { zone, locale } = usePlace()
  if (edits.length === 0) return <Panel title={t('proof.edits')}><p className="quiet">{t('proof.noEdits')}</p></Panel>
  return (
    <Panel title={t('proof.edits')}>
      <div className={charts.scroll} tabIndex={0} role="region" aria-label={t('proof.edits')}>
        <table className={charts.figures}>
          <caption className="sr-only">{t('proof.edits')}</caption>
          <thead>
            <tr>{(['interval', 'old', 'new', 'who', 'why', 'when'] as const).map((column) => <th key={column} scope="col">{t(`proof.edit.${column}`)}</th>)}</tr>
          </thead>
          <tbody>
            {edits.map((edit, index) => (
              <tr key={index}>
                <td>{instant(edit.at, zone, locale)}</td>
                <td>{own(edit.old, edit.unit)} <span className="quiet">({edit.old_quality})</span></td>
                <td>{own(edit.new, edit.unit)} <span className="quiet">({edit.new_quality})</span></td>
                <td>{edit.who}</td>
                <td>{edit.why}</td>
                <td>{instant(edit.logged_at, zone, locale)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  )
}

/** Where the number and the frames disagree: said in full, before anything else. */
export function Differences({ differences }: { differences: Explanation['differences'] }) {
  const { t } = useTranslation()
  return (
    <Panel title={t('proof.differences')}>
      <ul className={classes.differences}>
        {differences.map((one, index) => (
          <li key={index}>
            <b>{one.at}</b>: {one.detail} <span className="quiet">({t('proof.kept')} {one.kept ?? '—'}, {t('proof.derived')} {one.rederived ?? '—'})</span>
          </li>
        ))}
      </ul>
    </Panel>
  )
}
