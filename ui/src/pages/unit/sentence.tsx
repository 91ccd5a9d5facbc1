import { useTranslation } from 'react-i18next'
import type { ServicePointPage } from '@/api/types'
import { useCommodityWord } from '@/components/Commodity'
import { rank } from '@/components/Flag'
import { openFlags } from './open'
import { percent, withUnit } from '@/format/amount'
import { usePlace } from '@/format/site'
import { localMonth, monthName } from '@/format/time'

const WHOLE = 0.9995

/** "A-1204 has used 14.2 kL of water in November so far; nothing unusual." */
export function UnitSentence({ page }: { page: ServicePointPage }) {
  const { t } = useTranslation()
  const { zone, locale } = usePlace()
  const word = useCommodityWord()
  const { service_point: point, total } = page
  const soFar = page.month >= localMonth(new Date(), zone)
  const fill = { unit: point.unit, commodity: word(point.commodity), month: monthName(page.month, locale) }
  const opening = total.consumption === null
    ? t('unit.sentence.none', fill)
    : t(soFar ? 'unit.sentence.usedSoFar' : 'unit.sentence.used', { ...fill, amount: withUnit(total.consumption, total.unit, locale) })
  const flags = openFlags(page).toSorted((a, b) => rank(a.code) - rank(b.code))
  const said = new Set(flags.map((flag) => t(`unit.sentence.${flag.code as 'leak'}`, { defaultValue: flag.word })))
  // A number for a part of the time is never called "nothing unusual" without saying which part.
  if (total.consumption !== null && total.coverage < WHOLE) {
    said.add(t('unit.sentence.covered', { share: percent(total.coverage, locale) }))
  }
  return <><b>{opening}</b>; {said.size > 0 ? [...said].join(', ') : t('unit.sentence.fine')}.</>
}
