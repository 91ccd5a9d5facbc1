import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import type { MeterRow } from '@/api/types'
import { CommodityIcon, useCommodityWord } from '@/components/Commodity'
import { FlagMark, rank } from '@/components/Flag'
import type { Column } from '@/components/Sheet'
import { Since } from '@/components/Since'
import { usePlace } from '@/format/site'
import { instant } from '@/format/time'
import classes from './meters.module.css'
import { ReadNow } from './ReadNow'

const byName = new Intl.Collator('en', { numeric: true })

export function useMeterColumns(staleAfterH: number): Column<MeterRow>[] {
  const { t } = useTranslation()
  const { zone, locale } = usePlace()
  const word = useCommodityWord()
  return useMemo(
    () => [
      {
        id: 'meter', title: t('meters.column.meter'),
        show: (row) => <Serial row={row} />,
        text: (row) => `${row.serial} (${word(row.commodity)})`,
        order: (a, b) => byName.compare(a.serial, b.serial),
      },
      {
        id: 'place', title: t('meters.column.place'),
        show: (row) => row.place,
        text: (row) => row.place,
        order: (a, b) => byName.compare(a.place, b.place),
      },
      {
        id: 'state', title: t('meters.column.state'),
        show: (row) => <span title={t(`meters.stateHint.${row.state}`, { hours: staleAfterH })}><FlagMark code={row.state} word={t(`meters.state.${row.state}`)} /></span>,
        text: (row) => t(`meters.state.${row.state}`),
        order: (a, b) => rank(a.state) - rank(b.state),
      },
      {
        id: 'last_read', title: t('meters.column.lastRead'),
        show: (row) => <Since at={row.last_read_at} />,
        text: (row) => (row.last_read_at ? instant(row.last_read_at, zone, locale) : t('units.never')),
        order: (a, b) => (a.last_read_at ?? '').localeCompare(b.last_read_at ?? ''),
      },
      {
        id: 'reads', title: t('meters.column.reads'), end: true,
        show: (row) => <Reads row={row} />,
        text: (row) => t('meters.of', { received: row.reads_received, due: row.reads_due }),
        order: (a, b) => (a.reads_received - a.reads_due) - (b.reads_received - b.reads_due),
      },
      {
        id: 'failure', title: t('meters.column.failure'),
        show: (row) => <Failure row={row} />,
        text: (row) => (row.last_failure ? `${instant(row.last_failure.at, zone, locale)}: ${row.last_failure.message}` : t('meters.noFailure')),
        order: (a, b) => (a.last_failure?.at ?? '').localeCompare(b.last_failure?.at ?? ''),
      },
      {
        id: 'action', title: t('meters.column.action'), exported: false,
        show: (row) => <ReadNow meter={row} />,
        text: () => '',
      },
    ],
    [t, zone, locale, staleAfterH],
  )
}

function Serial({ row }: { row: MeterRow }) {
  const word = useCommodityWord()
  return (
    <span className={classes.serial}>
      <CommodityIcon commodity={row.commodity} />
      <b className="mono">{row.serial}</b>
      <span className="sr-only">{word(row.commodity)}</span>
    </span>
  )
}

function Reads({ row }: { row: MeterRow }) {
  const { t } = useTranslation()
  const missing = Math.max(0, row.reads_due - row.reads_received)
  return (
    <span className={classes.reads}>
      {t('meters.of', { received: row.reads_received, due: row.reads_due })}
      {missing > 0 && <span className={classes.missing}>{t('meters.missing', { count: missing })}</span>}
    </span>
  )
}

function Failure({ row }: { row: MeterRow }) {
  const { t } = useTranslation()
  if (!row.last_failure) return <span className="quiet">{t('meters.noFailure')}</span>
  return (
    <span className={classes.failure}>
      {row.last_failure.message}
      <span className="quiet small"><Since at={row.last_failure.at} /></span>
    </span>
  )
}

/** The head of a meter's card on a phone. */
export function MeterHead({ row }: { row: MeterRow }) {
  return <><Serial row={row} /><b>{row.place}</b></>
}
