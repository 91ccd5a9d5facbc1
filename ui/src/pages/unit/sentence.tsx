import { useTranslation } from 'react-i18next'
import type { ServicePointPage } from '@/api/types'
import { useCommodityWord } from '@/components/Commodity'
import { rank } from '@/components/Flag'
import { openFlags } from './open'
import { withUnit } from '@/format/amount'
import { usePlace } from '@/format/site'
import { localMonth, monthName } from '@/format/time'

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
  const [worst] = openFlags(page).toSorted((a, b) => rank(a.code) - rank(b.code))
  const state = worst ? t(`unit.sentence.${worst.code as 'leak'}`, { defaultValue: worst.word }) : t('unit.sentence.fine')
  return <><b>{opening}</b>; {state}.</>
}
