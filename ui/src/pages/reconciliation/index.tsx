import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { reconciliationQuery } from '@/api/queries'
import type { ReconciliationRow } from '@/api/types'
import { Empty, Page, Problem, Waiting } from '@/components/Page'
import { PeriodBar } from '@/components/PeriodBar'
import { usePlace } from '@/format/site'
import { monthName } from '@/format/time'
import { Balance } from './Balance'
import { judged } from './verdict'
import classes from './reconciliation.module.css'

export function ReconciliationPage() {
  const { site } = useParams({ from: '/inside/sites/$site/reconciliation' })
  const search = useSearch({ from: '/inside/sites/$site/reconciliation' })
  const month = search.month as string
  const navigate = useNavigate({ from: '/sites/$site/reconciliation' })
  const { data, error, refetch } = useQuery(reconciliationQuery(site, month))
  const { t } = useTranslation()
  return (
    <Page
      title={t('reconciliation.title')} sentence={data && data.length > 0 && <ReconciliationSentence rows={data} month={month} />}
      period={<PeriodBar month={month} onMonth={(to) => void navigate({ search: { month: to }, replace: true })} />}
    >
      <p className="quiet">{t('reconciliation.lead')}</p>
      {error && !data ? <Problem error={error} retry={() => void refetch()} /> : null}
      {!data && !error ? <Waiting rows={6} /> : null}
      {data?.length === 0 && <Empty title={t('reconciliation.empty')} hint={t('reconciliation.emptyHint')} />}
      {data && data.length > 0 && (
        <div className={classes.grid}>
          {data.map((row) => <Balance key={`${row.building} ${row.commodity}`} row={row} />)}
        </div>
      )}
    </Page>
  )
}

/** "5 of 6 balances reconciled in November 2026; 1 to look at." */
function ReconciliationSentence({ rows, month }: { rows: ReconciliationRow[]; month: string }) {
  const { t } = useTranslation()
  const { locale } = usePlace()
  const good = rows.filter((row) => judged(row) === 'reconciled').length
  const opening = t('reconciliation.sentence', { good, count: rows.length, month: monthName(month, locale) })
  const rest = rows.length - good
  return <><b>{opening}</b>{rest > 0 ? `; ${t('reconciliation.check', { count: rest })}` : ''}.</>
}
