import { useQueryClient } from '@tanstack/react-query'
import { Link, useRouter } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { Empty, Problem } from '@/components/Page'

/** A page that could not be shown at all. */
export function Failed({ error, reset }: { error: unknown; reset: () => void }) {
  const router = useRouter()
  const client = useQueryClient()
  const { t } = useTranslation()
  const again = () => {
    client.removeQueries({ predicate: (query) => query.state.status === 'error' })
    reset()
    void router.invalidate()
  }
  return (
    <main style={{ padding: 24 }}>
      <h1 className="sr-only">{t('error.title')}</h1>
      <Problem error={error instanceof Error ? error : new Error(String(error))} retry={again} />
    </main>
  )
}

export function Lost() {
  const { t } = useTranslation()
  return (
    <div style={{ padding: 24 }}>
      <h1 className="sr-only">{t('error.notFound')}</h1>
      <Empty title={t('error.notFound')} hint={t('error.notFoundHint')} action={<Link to="/">{t('error.home')}</Link>} />
    </div>
  )
}
