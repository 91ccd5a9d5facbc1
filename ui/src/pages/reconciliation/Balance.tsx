import { useTranslation } from 'react-i18next'
import type { ReconciliationRow } from '@/api/types'
import charts from '@/charts/charts.module.css'
import { CommodityIcon, useCommodityWord } from '@/components/Commodity'
import { FlagMark } from '@/components/Flag'
import { percent, rounded, sum, withUnit } from '@/format/amount'
import { usePlace } from '@/format/site'
import { judged, looks, sentenceOf } from './verdict'
import classes from './reconciliation.module.css'

const parts = ['units', 'common', 'loss'] as const

/** One tower and commodity: what went in, where it went, what is unexplained, and who bears the common area. */
export function Balance({ row }: { row: ReconciliationRow }) {
  const { t } = useTranslation()
  const { locale } = usePlace()
  const word = useCommodityWord()
  const judgement = judged(row)
  const amount = (value: string | null) => (value === null ? '—' : withUnit(value, row.unit, locale))
  return (
    <section className={classes.card} style={{ '--series': `var(--${row.commodity})` } as React.CSSProperties}>
      <div className={classes.head}>
        <h2><CommodityIcon commodity={row.commodity} size={18} /> {t('reconciliation.heading', { building: row.building, commodity: word(row.commodity) })}</h2>
        <FlagMark code={judgement} word={t(`reconciliation.word.${judgement}`)} look={looks[judgement]} />
      </div>
      <dl className={classes.sum}>
        <div className={classes.total}><dt>{t('reconciliation.bulk')}</dt><dd>{amount(row.bulk)}</dd></div>
        {parts.map((part) => (
          <div key={part}>
            <dt><span className={classes.key} data-part={part} />{t(`reconciliation.${part}`)}</dt>
            <dd>
              {part === 'loss' ? '= ' : '− '}{amount(row[part])}
              {part === 'loss' && row.loss_percent !== null && ` (${rounded(row.loss_percent, locale)}\u00a0%)`}
            </dd>
          </div>
        ))}
      </dl>
      <Stack row={row} />
      <p className="small">{sentenceOf(row.verdict)}</p>
      <p className="quiet small">
        {t('reconciliation.covered', { share: percent(row.coverage, locale) })}
        {row.uncertainty !== null && ` · ${t('reconciliation.uncertainty', { amount: amount(row.uncertainty) })}`}
      </p>
      {row.by_self_read !== null && (
        <p className="small">{t('reconciliation.bySelfRead', { amount: amount(row.by_self_read), points: row.self_read_points.join(', ') })}</p>
      )}
      {row.excluded.length > 0 && <p className="small"><b>{t('reconciliation.excluded')}:</b> {row.excluded.join('; ')}</p>}
      {row.common_gaps.length > 0 && (
        <p className="small" data-testid="common-gaps">
          <b>{t(row.shares.length > 0 ? 'reconciliation.sharesLack' : 'reconciliation.noShares')}:</b> {row.common_gaps.join('; ')}
        </p>
      )}
      {row.shares.length > 0 && <Shares row={row} />}
    </section>
  )
}

/** Units, common area and loss as parts of the bulk meter; a negative loss has no length. */
function Stack({ row }: { row: ReconciliationRow }) {
  if (row.bulk === null) return <div className={`${classes.stack} hatched`} aria-hidden="true" />
  return (
    <div className={classes.stack} aria-hidden="true">
      {parts.map((part) => {
        const size = Math.max(0, Number(row[part] ?? 0))
        return size > 0 ? <span key={part} data-part={part} style={{ flexGrow: size }} /> : null
      })}
    </div>
  )
}

function Shares({ row }: { row: ReconciliationRow }) {
  const { t } = useTranslation()
  const { locale } = usePlace()
  const title = t('reconciliation.shares', { count: row.shares.length })
  return (
    <details className={classes.shares}>
      <summary>{title}{row.shared_by && `, ${t(`reconciliation.sharedBy.${row.shared_by as 'area'}`, { defaultValue: row.shared_by })}`}</summary>
      <p className="quiet small">{t(row.common_gaps.length > 0 ? 'reconciliation.sharesPart' : 'reconciliation.sharesNote')}</p>
      <div className={charts.scroll} tabIndex={0} role="region" aria-label={title}>
        <table className={charts.figures}>
          <caption className="sr-only">{title}</caption>
          <thead>
            <tr>
              <th scope="col">{t('reconciliation.shareColumn.unit')}</th>
              <th scope="col" className={charts.end}>{t('reconciliation.shareColumn.share')}</th>
              <th scope="col" className={charts.end}>{t('reconciliation.shareColumn.amount')}</th>
            </tr>
          </thead>
          <tbody>
            {row.shares.map((share) => (
              <tr key={share.unit}>
                <td>{share.unit}</td>
                <td className={charts.end}>{new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 2 }).format(Number(share.share))}</td>
                <td className={charts.end}>{`${share.amount} ${row.unit}`}</td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row" colSpan={2}>{t('reconciliation.shareSum')}</th>
              <td className={charts.end}><b>{`${sum(row.shares.map((share) => share.amount))} ${row.unit}`}</b></td>
            </tr>
          </tfoot>
        </table>
      </div>
    </details>
  )
}
