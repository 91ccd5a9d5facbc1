import { ActionIcon, Button } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { usePlace } from '@/format/site'
import { localMonth, monthName, shiftMonth } from '@/format/time'
import { Icon } from './Icon'
import classes from './PeriodBar.module.css'

/** Moves the month: previous, next, now. The page keeps the month in its address. */
export function PeriodBar({ month, onMonth }: { month: string; onMonth: (month: string) => void }) {
  const { t } = useTranslation()
  const { zone, locale } = usePlace()
  const present = localMonth(new Date(), zone)
  return (
    <div className={`${classes.bar} no-print`} role="group" aria-label={t('period.label')}>
      <ActionIcon variant="default" size="lg" aria-label={t('period.previous')} onClick={() => onMonth(shiftMonth(month, -1))}>
        <Icon name="previous" />
      </ActionIcon>
      <span className={classes.month} aria-live="polite">{monthName(month, locale)}</span>
      <ActionIcon
        variant="default" size="lg" aria-label={t('period.next')} disabled={month >= present}
        onClick={() => onMonth(shiftMonth(month, 1))}
      >
        <Icon name="next" />
      </ActionIcon>
      <Button variant="default" size="sm" disabled={month === present} onClick={() => onMonth(present)}>
        {t('period.now')}
      </Button>
    </div>
  )
}
