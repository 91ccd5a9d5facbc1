import { Button, PasswordInput, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useRouter, useSearch } from '@tanstack/react-router'
import { useEffect, useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { api, ApiError } from '@/api/client'
import { sessionQuery } from '@/api/queries'
import { markSignedIn } from '@/api/session'
import type { Session } from '@/api/types'
import { Mark } from '@/components/Icon'
import classes from './login.module.css'

/** Only places of our own: a link must not send a person elsewhere after the login. */
const safe = (next: string | undefined) => (next && /^\/(?![/\\])/.test(next) ? next : '/')

export function LoginPage() {
  const { t } = useTranslation()
  const { next } = useSearch({ from: '/login' })
  const router = useRouter()
  const client = useQueryClient()
  const [problem, setProblem] = useState<ApiError | null>(null)
  const [busy, setBusy] = useState(false)
  useEffect(() => {
    document.title = t('login.title')
  }, [t])

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    setBusy(true)
    setProblem(null)
    try {
      const session = await api.post<Session>('/api/session', { email: form.get('email'), password: form.get('password') })
      client.clear()
      markSignedIn()
      client.setQueryData(sessionQuery.queryKey, session)
      router.history.push(safe(next))
    } catch (refused) {
      setProblem(refused as ApiError)
    } finally {
      setBusy(false)
    }
  }

  return (
    <main className={classes.page}>
      <form className={classes.card} onSubmit={(event) => void submit(event)}>
        <Mark size={44} />
        <h1>{t('login.title')}</h1>
        <p className="quiet">{t('login.lead')}</p>
        <TextInput name="email" type="email" label={t('login.email')} autoComplete="username" required autoFocus size="md" />
        <PasswordInput name="password" label={t('login.password')} autoComplete="current-password" required size="md" />
        {problem && <Refused problem={problem} />}
        <Button type="submit" size="md" fullWidth loading={busy}>{t('login.submit')}</Button>
      </form>
    </main>
  )
}

function Refused({ problem }: { problem: ApiError }) {
  const { t } = useTranslation()
  const wrong = problem.status === 401 || problem.status === 403 || problem.status === 422
  const silent = problem.status === 0
  return (
    <div role="alert" className={classes.alert}>
      <b>{wrong ? t('login.wrong') : silent ? t('error.unreachable') : problem.message || t('error.unknown', { status: problem.status })}</b>
      <span>{wrong ? t('login.wrongHint') : problem.hint || t(silent ? 'error.unreachableHint' : 'error.unknownHint')}</span>
    </div>
  )
}
