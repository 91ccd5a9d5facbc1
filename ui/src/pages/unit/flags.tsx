import { useTranslation } from 'react-i18next'
import type { FlagEvidence } from '@/api/types'
import { FlagMark, rank } from '@/components/Flag'
import { Panel } from '@/components/Page'
import { usePlace, type Place } from '@/format/site'
import { instant } from '@/format/time'
import classes from './unit.module.css'

/** What was signalled, since when, and on what grounds. */
export function Flags({ flags }: { flags: FlagEvidence[] }) {
  const { t } = useTranslation()
  const shown = flags
    .filter((flag) => flag.code !== 'normal')
    .toSorted((a, b) => Number(a.until !== null) - Number(b.until !== null) || rank(a.code) - rank(b.code))
  // The page's sentence already says that nothing is unusual.
  if (shown.length === 0) return null
  return (
    <Panel title={t('unit.flags')}>
      <div className={classes.flags}>{shown.map((flag, index) => <FlagCard key={index} flag={flag} />)}</div>
    </Panel>
  )
}

function FlagCard({ flag }: { flag: FlagEvidence }) {
  const { t } = useTranslation()
  const place = usePlace()
  const when = (at: string) => instant(at, place.zone, place.locale)
  return (
    <article className={classes.flag} data-code={flag.until === null ? flag.code : 'over'}>
      <div className={classes.flagHead}>
        <FlagMark code={flag.code} word={flag.word} {...(flag.until === null ? {} : { look: ['check', 'calm'] as const })} />
        {flag.since && (
          <span className="quiet">
            {flag.until
              ? t('unit.sinceUntil', { since: when(flag.since), until: when(flag.until) })
              : t('unit.sinceOpen', { since: when(flag.since) })}
          </span>
        )}
      </div>
      {flag.detail && <p>{flag.detail}</p>}
      <Evidence evidence={flag.evidence ?? {}} />
    </article>
  )
}

const isInstant = (value: unknown): value is string => typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(value)

/** Evidence is an open set of facts: known ones get their words, unknown ones their own name. */
function fact(key: string, value: unknown, place: Place): string {
  if (isInstant(value)) return instant(value, place.zone, place.locale)
  if (Array.isArray(value)) return value.map((one) => fact(key, one, place)).join(', ')
  const unit = /litres_per_hour$/.test(key) ? ' L/h' : /hours$/.test(key) ? ' h' : /litres$/.test(key) ? ' L' : ''
  const number = typeof value === 'number' || (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value))
  return number ? new Intl.NumberFormat(place.locale, { maximumFractionDigits: 3 }).format(value as number) + unit : String(value)
}

function Evidence({ evidence }: { evidence: Record<string, unknown> }) {
  const { t } = useTranslation()
  const place = usePlace()
  const { window_start: start, window_end: end, ...rest } = evidence
  const facts = Object.entries(rest).filter(([, value]) => value !== null && typeof value !== 'object')
  return (
    <dl className={classes.evidence}>
      {isInstant(start) && isInstant(end) && (
        <div><dt>{t('unit.window')}</dt><dd>{fact('', start, place)} – {fact('', end, place)}</dd></div>
      )}
      {facts.map(([key, value]) => (
        <div key={key}>
          <dt>{t(`evidence.${key}`, { defaultValue: key.replaceAll('_', ' ') })}</dt>
          <dd>{fact(key, value, place)}</dd>
        </div>
      ))}
    </dl>
  )
}
