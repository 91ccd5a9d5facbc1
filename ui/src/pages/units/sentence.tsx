import { useTranslation } from 'react-i18next'
import type { UnitsPage } from '@/api/types'
import { usePlace } from '@/format/site'
import { localMonth, monthName } from '@/format/time'
import { unitsRead } from './progress'

/** "148 of 150 units read today; 1 leak signal, 1 meter offline." A past month has no "today". */
export function UnitsSentence({ page }: { page: UnitsPage }) {
  const { t } = useTranslation()
  const { zone, locale } = usePlace()
  const { leaks, read_failures, to_check, no_readings, partial } = page.summary
  const { read, units } = unitsRead(page)
  const past = page.month < localMonth(new Date(), zone)
  const opening = past
    ? t('units.readPast', { month: monthName(page.month, locale), count: units })
    : t('units.read', { read, count: units })
  const wrong = [
    ...(leaks > 0 ? [t('units.leaks', { count: leaks })] : []),
    ...(read_failures > 0 ? [t('units.failures', { count: read_failures })] : []),
    ...(to_check > 0 ? [t('units.toCheck', { count: to_check })] : []),
    ...(no_readings > 0 ? [t('units.noReadings', { count: no_readings })] : []),
    ...(partial > 0 ? [t('units.partial', { count: partial })] : []),
  ]
  return <><b>{opening}</b>; {wrong.length > 0 ? wrong.join(', ') : t('units.nothingWrong')}.</>
}
