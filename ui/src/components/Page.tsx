import { Button, Skeleton } from '@mantine/core'
import { useEffect, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '@/api/client'
import { zoneName } from '@/format/time'
import { useNow, usePlace } from '@/format/site'
import classes from './Page.module.css'

/** A page: its name, the sentence it opens with, the period it shows, and once the zone of its times. */
export function Page({ title, sentence, before, period, children }: {
  title: string
  sentence?: ReactNode
  before?: ReactNode
  period?: ReactNode
  children: ReactNode
}) {
  useEffect(() => {
    document.title = `${title} · Demeter`
  }, [title])
  const { t } = useTranslation()
  const { zone } = usePlace()
  const now = useNow(3_600_000)
  return (
    <div className={classes.page}>
      {before}
      <header className={classes.head}>
        <div className={classes.words}>
          <h1>{title}</h1>
          {sentence && <p className={classes.sentence} data-testid="sentence">{sentence}</p>}
        </div>
        {period}
      </header>
      {children}
      <p className={classes.zone}>{t('zone', { zone: zoneName(zone, new Date(now)) })}</p>
    </div>
  )
}

export function Panel({ title, note, actions, children, id }: {
  title?: ReactNode
  note?: ReactNode
  actions?: ReactNode
  children: ReactNode
  id?: string
}) {
  return (
    <section className={classes.panel} id={id}>
      {(title || actions) && (
        <div className={classes.panelHead}>
          <div>
            {title && <h2>{title}</h2>}
            {note && <p className={classes.note}>{note}</p>}
          </div>
          {actions && <div className={`${classes.actions} no-print`}>{actions}</div>}
        </div>
      )}
      {children}
    </section>
  )
}

/** Says what happened and what to do. */
export function Problem({ error, retry, title }: { error: Error; retry?: () => void; title?: string }) {
  const { t } = useTranslation()
  const known = error instanceof ApiError ? error : null
  const unreachable = known?.status === 0
  const said = known?.message || (unreachable ? t('error.unreachable') : t('error.unknown', { status: known?.status ?? '' }))
  const hint = known?.hint || (unreachable ? t('error.unreachableHint') : t('error.unknownHint'))
  return (
    <div className={classes.state} role="alert">
      <h2>{title ?? t('error.title')}</h2>
      <p>{said}</p>
      <p className="quiet">{hint}</p>
      {retry && <Button variant="default" onClick={retry}>{t('error.retry')}</Button>}
    </div>
  )
}

/** Nothing to show: says why and teaches the next step. */
export function Empty({ title, hint, action }: { title: string; hint: string; action?: ReactNode }) {
  return (
    <div className={classes.state}>
      <h2>{title}</h2>
      <p className="quiet">{hint}</p>
      {action}
    </div>
  )
}

export function Waiting({ rows = 6 }: { rows?: number }) {
  return (
    <div className={classes.waiting} aria-busy="true">
      {Array.from({ length: rows }, (_, row) => <Skeleton key={row} height={row === 0 ? 84 : 34} radius="md" />)}
    </div>
  )
}
