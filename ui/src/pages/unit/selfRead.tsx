import { Button, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { api, ApiError } from '@/api/client'
import type { SelfReadResult, ServicePointPage } from '@/api/types'
import { Panel } from '@/components/Page'
import { localClock, zonedToUtc } from '@/format/time'
import classes from './unit.module.css'

const DECIMAL = /^\d+([.,]\d+)?$/

/** A register read by a person, at a time by the site's clock. */
export function SelfReadForm({ page }: { page: ServicePointPage }) {
  const { t } = useTranslation()
  const { id, zone } = page.service_point
  const client = useQueryClient()
  const [wrong, setWrong] = useState(false)
  const save = useMutation({
    mutationFn: (read: { at: string; register: string; note: string }) =>
      api.post<SelfReadResult>(`/api/service-points/${id}/self-reads`, read),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['service-point', id] })
      void client.invalidateQueries({ queryKey: ['units'] })
    },
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const field = (name: string) => String(form.get(name) ?? '').trim()
    const register = field('register').replace(',', '.')
    setWrong(!DECIMAL.test(register))
    if (DECIMAL.test(register)) save.mutate({ at: zonedToUtc(field('at'), zone).toISOString(), register, note: field('note') })
  }
  const present = localClock(new Date(), zone)
  return (
    <Panel title={t('selfRead.title')} note={t('selfRead.lead')}>
      <form className={classes.form} onSubmit={submit} noValidate>
        <TextInput type="datetime-local" name="at" label={t('selfRead.at', { zone })} defaultValue={present} max={present} required />
        <TextInput
          name="register" inputMode="decimal" label={t('selfRead.register', { unit: page.total.unit })} required autoComplete="off"
          description={t('selfRead.registerHint')} inputWrapperOrder={['label', 'input', 'description', 'error']}
          error={wrong ? t('selfRead.registerWrong') : undefined}
        />
        <TextInput name="note" label={t('selfRead.note')} placeholder={t('selfRead.noteHint')} />
        <Button type="submit" loading={save.isPending}>{t('selfRead.submit')}</Button>
        {save.data && <Outcome result={save.data} />}
        {save.error && <Refused problem={save.error} />}
      </form>
    </Panel>
  )
}

function Outcome({ result }: { result: SelfReadResult }) {
  const { t } = useTranslation()
  const bad = !result.outcome.startsWith('accepted')
  return (
    <p className={classes.outcome} data-bad={bad} role="status">
      <b>{t(`selfRead.${result.outcome}`)}</b> {result.reason}
    </p>
  )
}

function Refused({ problem }: { problem: Error }) {
  const { t } = useTranslation()
  const known = problem instanceof ApiError ? problem : null
  return (
    <p className={classes.outcome} data-bad="true" role="alert">
      <b>{known?.message || t('error.unreachable')}</b> {known?.hint || t('error.unreachableHint')}
    </p>
  )
}
