import { useTranslation } from 'react-i18next'
import type { ServicePointPage } from '@/api/types'
import charts from '@/charts/charts.module.css'
import { Panel } from '@/components/Page'
import { usePlace } from '@/format/site'
import { instant } from '@/format/time'

/** The meters that measured here, with their times: the exchange history. */
export function Meters({ page }: { page: ServicePointPage }) {
  const { t } = useTranslation()
  const { zone, locale } = usePlace()
  if (page.meters.length === 0) return <Panel title={t('unit.meters')}><p className="quiet">{t('unit.noMeters')}</p></Panel>
  const columns = ['serial', 'maker', 'protocol', 'from', 'to'] as const
  return (
    <Panel title={t('unit.meters')}>
      <div className={charts.scroll} tabIndex={0} role="region" aria-label={t('unit.meters')}>
        <table className={charts.figures}>
          <caption className="sr-only">{t('unit.meters')}</caption>
          <thead><tr>{columns.map((column) => <th key={column} scope="col">{t(`unit.meterColumn.${column}`)}</th>)}</tr></thead>
          <tbody>
            {page.meters.map((meter) => (
              <tr key={`${meter.id} ${meter.from}`}>
                <td className="mono">{meter.serial}</td>
                <td>{meter.maker ?? '—'}</td>
                <td>{meter.protocol === null || meter.protocol === 'manual' ? t('unit.byHand') : meter.protocol.toUpperCase()}</td>
                <td>{instant(meter.from, zone, locale)}</td>
                <td>{meter.to ? instant(meter.to, zone, locale) : t('unit.present')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  )
}
