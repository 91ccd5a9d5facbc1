import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { explainQuery, servicePointQuery } from '@/api/queries'
import type { Explanation, ServicePointPage } from '@/api/types'
import { useCommodityWord } from '@/components/Commodity'
import { ShapeMark } from '@/components/Flag'
import { Icon } from '@/components/Icon'
import { Page, Panel, Problem, Waiting } from '@/components/Page'
import { PeriodBar } from '@/components/PeriodBar'
import { usePlace } from '@/format/site'
import { monthName } from '@/format/time'
import unit from '@/pages/unit/unit.module.css'
import { DayChain } from './DayChain'
import { Differences, Edits, Frames } from './evidence'
import classes from './proof.module.css'

/** From the month's number to the frames the meter sent, and back. */
export function ProofPage() {
  const { id } = useParams({ from: '/inside/service-points/$id/proof' })
  const search = useSearch({ from: '/inside/service-points/$id/proof' })
  const month = search.month as string
  const navigate = useNavigate({ from: '/service-points/$id/proof' })
  const { t } = useTranslation()
  const { locale } = usePlace()
  const word = useCommodityWord()
  const point = useQuery(servicePointQuery(id, month)).data
  const { data, error, refetch } = useQuery(explainQuery(id, month))
  const title = point
    ? t('proof.title', { unit: point.service_point.unit, commodity: word(point.service_point.commodity), month: monthName(month, locale) })
    : t('unit.proof')
  return (
    <Page
      title={title} sentence={data ? data.statement : undefined}
      before={point && (
        <Link to="/service-points/$id" params={{ id }} search={{ month }} className={`${unit.back} no-print`}>
          <Icon name="previous" size={16} />{t('proof.back', { unit: point.service_point.unit })}
        </Link>
      )}
      period={<PeriodBar month={month} onMonth={(to) => void navigate({ search: { month: to }, replace: true })} />}
    >
      {error && !data ? <Problem error={error} retry={() => void refetch()} /> : null}
      {!data && !error ? <><p className="quiet" role="status">{t('proof.checking')}</p><Waiting /></> : null}
      {data && point && <Content proof={data} point={point} />}
    </Page>
  )
}

function Content({ proof, point }: { proof: Explanation; point: ServicePointPage }) {
  const { t } = useTranslation()
  return (
    <>
      <Verdict proof={proof} />
      {proof.differences.length > 0 && <Differences differences={proof.differences} />}
      <Panel title={t('proof.chain')} note={t('proof.chainLead')}>
        <DayChain proof={proof} point={point} />
      </Panel>
      <Edits edits={proof.edits} />
      <Frames frames={proof.frames} />
    </>
  )
}

const shapes = { matches: 'check', waiting: 'clock', differs: 'diamond' } as const

function Verdict({ proof }: { proof: Explanation }) {
  const { t } = useTranslation()
  const amount = (value: string | null) => (value === null ? '—' : `${value} ${proof.unit}`)
  return (
    <section className={classes.verdict} data-state={proof.state}>
      <p className={classes.finding}>
        <ShapeMark shape={shapes[proof.state]} size={22} />
        {t(`proof.${proof.state}`)}
      </p>
      <dl className={classes.pair}>
        <div><dt>{t('proof.stated')}</dt><dd>{amount(proof.consumption)}</dd></div>
        <div><dt>{t('proof.rederived')}</dt><dd>{amount(proof.rederived)}</dd></div>
      </dl>
    </section>
  )
}
