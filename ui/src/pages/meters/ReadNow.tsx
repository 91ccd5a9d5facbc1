import { Button } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api, ApiError } from '@/api/client'
import type { MeterRow, ReadNowResult } from '@/api/types'
import { ShapeMark } from '@/components/Flag'
import { Icon } from '@/components/Icon'
import classes from './meters.module.css'

/** Asks one meter now; shows that it goes on, for how long, and how it ended. */
export function ReadNow({ meter }: { meter: MeterRow }) {
  const { t } = useTranslation()
  const client = useQueryClient()
  const read = useMutation({
    mutationFn: () => api.post<ReadNowResult>(`/api/meters/${meter.id}/read`),
    onSettled: () => {
      void client.invalidateQueries({ queryKey: ['meters'] })
      void client.invalidateQueries({ queryKey: ['units'] })
    },
  })
  return (
    <span className={classes.action}>
      {read.isPending ? <Waiting /> : (
        <Button
          variant="default" size="xs" leftSection={<Icon name="refresh" size={14} />} onClick={() => read.mutate()}
          aria-label={`${t('meters.readNow')}: ${meter.serial}`}
        >
          {t('meters.readNow')}
        </Button>
      )}
      {read.data && !read.isPending && <Outcome result={read.data} />}
      {read.error && !read.isPending && <Refused problem={read.error} />}
    </span>
  )
}

function Waiting() {
  const { t } = useTranslation()
  const [seconds, setSeconds] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => setSeconds((count) => count + 1), 1000)
    return () => clearInterval(timer)
  }, [])
  return <span role="status" className={classes.progress}>{t('meters.reading', { seconds })}</span>
}

function Outcome({ result }: { result: ReadNowResult }) {
  const { t } = useTranslation()
  const good = result.outcome === 'ok'
  const waiting = result.outcome === 'waiting'
  const done = result.readings > 0 ? t('meters.read', { count: result.readings }) : t('meters.nothingNew')
  return (
    <span role="status" className={classes.outcome} data-good={good} title={result.message}>
      <ShapeMark shape={good ? 'check' : waiting ? 'clock' : 'broken'} size={14} />
      {good ? done : waiting ? t('meters.waiting') : result.message || t('meters.failed')}
    </span>
  )
}

function Refused({ problem }: { problem: Error }) {
  const { t } = useTranslation()
  const known = problem instanceof ApiError ? problem : null
  return (
    <span role="alert" className={classes.outcome} data-good="false" title={known?.hint}>
      <ShapeMark shape="broken" size={14} />
      {known?.message || t('error.unreachable')}
    </span>
  )
}
