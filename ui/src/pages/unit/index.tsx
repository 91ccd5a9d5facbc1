import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { servicePointQuery } from '@/api/queries'
import type { ServicePointPage } from '@/api/types'
import { useCommodityWord } from '@/components/Commodity'
import { Icon } from '@/components/Icon'
import { Page, Problem, Waiting } from '@/components/Page'
import { PeriodBar } from '@/components/PeriodBar'
import type { View } from '@/charts/IntervalChart'
import { Commands } from './commands'
import { Flags } from './flags'
import { IntervalPanel } from './intervals'
import { Meters } from './meters'
import { openFlags } from './open'
import { DaysPanel, MonthsPanel } from './periods'
import { SelfReadForm } from './selfRead'
import { UnitSentence } from './sentence'
import { Totals } from './totals'
import classes from './unit.module.css'

/** "1762300800-1762387200": the zoom, in the address. */
const viewOf = (text: string | undefined): View => {
  const found = /^(\d+)-(\d+)$/.exec(text ?? '')
  return found ? [Number(found[1]), Number(found[2])] : null
}

export function UnitPage() {
  const { id } = useParams({ from: '/inside/service-points/$id' })
  const search = useSearch({ from: '/inside/service-points/$id' })
  const month = search.month as string
  const navigate = useNavigate({ from: '/service-points/$id' })
  const { data, error, refetch } = useQuery(servicePointQuery(id, month))
  const { t } = useTranslation()
  const word = useCommodityWord()
  const point = data?.service_point
  const go = (change: { month?: string; view?: string | undefined }) =>
    void navigate({ search: (previous) => ({ ...previous, ...change }), replace: true, resetScroll: false })
  const title = point ? `${point.unit} · ${word(point.commodity)}` : t('units.column.unit')
  return (
    <Page
      title={title} sentence={data && <UnitSentence page={data} />}
      before={point && (
        <Link to="/sites/$site/units" params={{ site: point.site_id }} search={{ month }} className={`${classes.back} no-print`}>
          <Icon name="previous" size={16} />{t('unit.back')}
        </Link>
      )}
      period={<PeriodBar month={month} onMonth={(to) => go({ month: to, view: undefined })} />}
    >
      {error && !data ? <Problem error={error} retry={() => void refetch()} /> : null}
      {!data && !error ? <Waiting /> : null}
      {data && <Content page={data} view={viewOf(search.view)} onView={(view) => go({ view: view?.join('-') })} />}
    </Page>
  )
}

/** A person reads the meter where no smart meter does, or while it is silent. */
const wantsSelfRead = (page: ServicePointPage) =>
  page.meters.every((meter) => meter.protocol === null || meter.protocol === 'manual')
  || openFlags(page).some((flag) => flag.code === 'read_failure' || flag.code === 'no_readings' || flag.code === 'self_read')

function Content({ page, view, onView }: { page: ServicePointPage; view: View; onView: (view: View) => void }) {
  return (
    <>
      <Totals page={page} />
      <Flags flags={page.flags} />
      {wantsSelfRead(page) && <SelfReadForm page={page} />}
      <IntervalPanel page={page} view={view} onView={onView} />
      <div className={classes.pair}>
        <DaysPanel page={page} onView={onView} />
        <MonthsPanel page={page} />
      </div>
      <Meters page={page} />
      <Commands page={page} />
    </>
  )
}
