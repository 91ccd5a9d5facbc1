import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import type { HandOff, UnitRow, UnitsPage } from '@/api/types'
import { CommodityIcon, useCommodityWord } from '@/components/Commodity'
import { FlagMark, rank } from '@/components/Flag'
import type { Column } from '@/components/Sheet'
import { Since } from '@/components/Since'
import { percent, withUnit } from '@/format/amount'
import { usePlace } from '@/format/site'
import { instant, localMonth } from '@/format/time'
import classes from './columns.module.css'

const byName = new Intl.Collator('en', { numeric: true })

/** What somebody has to do before there is a reading to hand on; the rest are other people's desks. */
const TASKS = new Set(['investigate', 'self-read'])

/** "→ billing", "repair → helpdesk", "reads → billing · ledger → accounting", "investigate · self-read". */
export function goesToText(handOffs: HandOff[]): string {
  return handOffs
    .map(({ to, what }) => {
      if (TASKS.has(to)) return to
      return what && !(handOffs.length === 1 && what === 'reading') ? `${what} → ${to}` : `→ ${to}`
    })
    .join(' · ')
}

function useAmountText() {
  const { t } = useTranslation()
  const { locale } = usePlace()
  return (row: UnitRow) => {
    if (row.consumption !== null) return withUnit(row.consumption, row.consumption_unit, locale)
    return `— ${row.flag.code === 'read_failure' ? t('units.offline') : t('units.noNumber')}`
  }
}

/** Exactly the columns a treasurer asked for: Unit, Monthly consumption, Flag, Last read, Reading goes to. */
export function useUnitColumns(page: UnitsPage): Column<UnitRow>[] {
  const { t } = useTranslation()
  const { zone, locale } = usePlace()
  const word = useCommodityWord()
  const amountText = useAmountText()
  return useMemo(
    () => [
      {
        id: 'unit', title: t('units.column.unit'),
        show: (row) => <UnitName row={row} month={page.month} />,
        text: (row) => `${row.unit} (${word(row.commodity)})`,
        order: (a, b) => byName.compare(a.unit, b.unit) || a.commodity.localeCompare(b.commodity),
      },
      {
        id: 'consumption', title: t('units.column.consumption'), end: true,
        show: (row) => <Amount row={row} page={page} />,
        text: amountText,
        // Magnitudes of different commodities do not compare: kWh with kWh, kL with kL.
        order: (a, b) => a.commodity.localeCompare(b.commodity) || Number(a.consumption ?? -1) - Number(b.consumption ?? -1),
      },
      {
        id: 'flag', title: t('units.column.flag'),
        show: (row) => <span title={row.flag.detail ?? undefined}><FlagMark code={row.flag.code} word={row.flag.word} /></span>,
        text: (row) => row.flag.word,
        order: (a, b) => rank(a.flag.code) - rank(b.flag.code),
      },
      {
        id: 'last_read', title: t('units.column.lastRead'),
        show: (row) => <Since at={row.last_read_at} />,
        text: (row) => (row.last_read_at ? instant(row.last_read_at, zone, locale) : t('units.never')),
        order: (a, b) => (a.last_read_at ?? '').localeCompare(b.last_read_at ?? ''),
      },
      {
        id: 'goes_to', title: t('units.column.goesTo'),
        show: (row) => <span className={classes.goesTo}>{goesToText(row.goes_to)}</span>,
        text: (row) => goesToText(row.goes_to),
        order: (a, b) => goesToText(a.goes_to).localeCompare(goesToText(b.goes_to)),
      },
    ],
    // The words and the place change with the page, never on their own.
    [page, t, zone, locale],
  )
}

function UnitName({ row, month }: { row: UnitRow; month: string }) {
  const { t } = useTranslation()
  const word = useCommodityWord()
  const kind = row.role === 'common' ? t('units.common') : row.role === 'bulk' ? t('units.bulk') : null
  const saysKind = kind && !row.unit.toLowerCase().includes(row.role)
  return (
    <Link to="/service-points/$id" params={{ id: row.service_point_id }} search={{ month }} className={classes.unit}>
      <CommodityIcon commodity={row.commodity} />
      <span><b>{row.unit}</b> <span className="quiet">({word(row.commodity)}{saysKind ? `, ${kind}` : ''})</span></span>
    </Link>
  )
}

function Amount({ row, page }: { row: UnitRow; page: UnitsPage }) {
  const { t } = useTranslation()
  const { zone, locale } = usePlace()
  const amountText = useAmountText()
  const past = page.month < localMonth(new Date(), zone)
  const whole = row.coverage >= 0.9995
  const title = [
    row.consumption === null ? '' : `${row.consumption} ${row.consumption_unit}`,
    row.revision === null ? '' : t('units.revision', { revision: row.revision }),
  ].filter(Boolean).join(' · ')
  return (
    <span className={classes.amount} title={title || undefined}>
      <span className={row.consumption === null ? 'quiet' : classes.figure}>{amountText(row)}</span>
      {!whole && row.consumption !== null && (
        <span className={classes.cover}>
          {t(past ? 'units.covered' : 'units.coveredSoFar', { share: percent(row.coverage, locale) })}
        </span>
      )}
    </span>
  )
}

/** The head of a row's card on a phone: unit and amount. */
export function CardHead({ row, page }: { row: UnitRow; page: UnitsPage }) {
  return <><UnitName row={row} month={page.month} /><Amount row={row} page={page} /></>
}
