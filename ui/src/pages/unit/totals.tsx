import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { MonthTotal, RegisterRead, ServicePointPage } from '@/api/types'
import { CommodityIcon } from '@/components/Commodity'
import { Icon } from '@/components/Icon'
import { Panel } from '@/components/Page'
import { Tile, Tiles } from '@/components/Tiles'
import { percent, withUnit } from '@/format/amount'
import { qualityOrder, wordKey } from '@/format/quality'
import { usePlace } from '@/format/site'
import { instant } from '@/format/time'
import classes from './unit.module.css'

/** The month's number, how much of it is known and how, and the registers it lies between. */
export function Totals({ page }: { page: ServicePointPage }) {
  const { t } = useTranslation()
  const { zone, locale } = usePlace()
  const { total, service_point: point } = page
  return (
    <>
      <Tiles>
        <Tile
          label={t('unit.total')} mark={<CommodityIcon commodity={point.commodity} />}
          value={total.consumption === null ? '—' : withUnit(total.consumption, total.unit, locale)}
          note={total.consumption === null ? t('units.noNumber') : `${total.consumption} ${total.unit}`}
        />
        <Tile label={t('unit.coverage')} value={percent(total.coverage, locale)} share={total.coverage} />
        <RegisterTile label={t('unit.opening')} read={total.opening} />
        <RegisterTile label={t('unit.closing')} read={total.closing} />
      </Tiles>
      <Panel title={t('unit.qualityTitle')}>
        <QualityBar total={total} commodity={point.commodity} />
        {total.bridged_slots > 0 && (
          <p className="small quiet">
            {t('unit.bridged', { amount: withUnit(total.bridged, total.unit, locale), count: total.bridged_slots })}
          </p>
        )}
        <div className={classes.statement}>
          <span className="quiet">
            {total.revision !== null && total.published_at
              ? t('unit.revision', { revision: total.revision, at: instant(total.published_at, zone, locale) })
              : t('unit.unpublished')}
          </span>
          <Link to="/service-points/$id/proof" params={{ id: point.id }} search={{ month: page.month }} className={classes.proofLink}>
            <Icon name="proof" />{t('unit.proof')}
          </Link>
        </div>
      </Panel>
    </>
  )
}

function RegisterTile({ label, read }: { label: string; read: RegisterRead | null }) {
  const { t } = useTranslation()
  const { zone, locale } = usePlace()
  if (!read) return <Tile label={label} value="—" note={t('unit.notYet')} />
  const serial = read.meter_serial ? ` · ${t('unit.serial', { serial: read.meter_serial })}` : ''
  const recorded = read.source === 'reading' ? '' : ` · ${t(`unit.source.${read.source}`)}`
  const quality = wordKey(read.quality) === 'measured' ? '' : ` · ${t(`quality.${wordKey(read.quality) as 'edited'}`, { defaultValue: read.quality })}`
  return <Tile label={label} value={withUnit(read.value, read.unit, locale, 2)} note={instant(read.at, zone, locale) + serial + recorded + quality} />
}

/**
 * The breakdown in a fixed order, without the intervals that are still to come: what is missing follows from the
 * share that is known of what could be known by now.
 */
function partsSoFar({ quality, coverage }: Pick<MonthTotal, 'quality' | 'coverage'>): [string, { amount: string; slots: number }][] {
  const parts = Object.entries(quality).map(([key, part]) => [wordKey(key), part] as const)
  const known = parts.reduce((total, [key, part]) => (key === 'missing' ? total : total + part.slots), 0)
  const due = coverage > 0 ? Math.round(known / coverage) : 0
  return parts
    .map(([key, part]): [string, { amount: string; slots: number }] =>
      [key, key === 'missing' ? { ...part, slots: Math.min(part.slots, due - known) } : part])
    .filter(([, part]) => part.slots > 0)
    .toSorted(([a], [b]) => qualityOrder.indexOf(a) - qualityOrder.indexOf(b))
}

function QualityBar({ total, commodity }: { total: MonthTotal; commodity: string }) {
  const { t } = useTranslation()
  const { locale } = usePlace()
  const parts = partsSoFar(total)
  if (parts.length === 0) return <p className="quiet">{t('chart.noReadings')}</p>
  const word = (key: string) => t(`quality.${key as 'measured'}`, { defaultValue: key })
  return (
    <div style={{ '--series': `var(--${commodity})` } as React.CSSProperties}>
      <div className={classes.quality} aria-hidden="true">
        {parts.map(([key, part]) => <span key={key} data-quality={key} style={{ flexGrow: part.slots }} />)}
      </div>
      <ul className={classes.qualityWords}>
        {parts.map(([key, part]) => (
          <li key={key}>
            <b>{word(key)}</b>{' '}
            {key !== 'missing' && `${withUnit(part.amount, total.unit, locale)} · `}
            {t('unit.slots', { count: part.slots })}
          </li>
        ))}
      </ul>
    </div>
  )
}
