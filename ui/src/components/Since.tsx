import { useTranslation } from 'react-i18next'
import { useNow, usePlace } from '@/format/site'
import { age, instant } from '@/format/time'

/** "4 minutes ago"; the exact time of the site as tooltip. */
export function Since({ at }: { at: string | null }) {
  const { t } = useTranslation()
  const now = useNow()
  const { zone, locale } = usePlace()
  if (at === null) return <span className="quiet">{t('units.never')}</span>
  return <time dateTime={at} title={instant(at, zone, locale)} className="nowrap">{age(at, now, locale)}</time>
}
