import { useTranslation } from 'react-i18next'
import type { Commodity } from '@/api/types'
import { qualityOrder } from '@/format/quality'
import classes from './charts.module.css'

/** The signs in use and their words; only those that occur. */
export function Legend({ qualities, commodity }: { qualities: string[]; commodity: Commodity }) {
  const { t } = useTranslation()
  return (
    <ul className={classes.legend} style={{ '--series': `var(--${commodity})` } as React.CSSProperties}>
      {qualityOrder.filter((key) => qualities.includes(key)).map((key) => (
        <li key={key}><span className={classes.swatch} data-quality={key} />{t(`quality.${key as 'measured'}`)}</li>
      ))}
    </ul>
  )
}
