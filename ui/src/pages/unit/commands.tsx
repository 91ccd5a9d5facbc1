import { useQueries } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { commandsQuery } from '@/api/queries'
import type { MeterCommand, ServicePointPage } from '@/api/types'
import charts from '@/charts/charts.module.css'
import { FlagMark, type Shape, type Tone } from '@/components/Flag'
import { Panel } from '@/components/Page'
import { usePlace } from '@/format/site'
import { instant } from '@/format/time'

const looks: Record<MeterCommand['state'], readonly [Shape, Tone]> = {
  waiting: ['clock', 'calm'],
  sent: ['clock', 'calm'],
  confirmed: ['check', 'good'],
  failed: ['broken', 'attention'],
  expired: ['empty', 'offline'],
  uncertain: ['diamond', 'critical'],
  cancelled: ['empty', 'calm'],
}

/** What the meter showed last, in a word or two; the whole of it is in the API. */
function shown({ after }: MeterCommand): string {
  const text = (value: unknown) => (typeof value === 'string' || typeof value === 'number' ? String(value) : '')
  if (!after) return '—'
  const active = after['active'] as { name?: unknown } | null | undefined
  const drift = text(after['drift_s'])
  return text(after['relay'])
    || (after['limit'] ? `${text(after['limit'])} ${text(after['unit'])}` : '')
    || (drift && `${drift} s`)
    || text(active?.name) || text(after['resets']) || text(after['firmware']) || text(after['version']) || '—'
}

/** What the meters here were told, and what became of it; nothing where nothing was. */
export function Commands({ page }: { page: ServicePointPage }) {
  const { t } = useTranslation()
  const { zone, locale } = usePlace()
  const ids = [...new Set(page.meters.filter((meter) => meter.protocol !== 'manual').map((meter) => meter.id))]
  const asked = useQueries({ queries: ids.map(commandsQuery) })
  const commands = asked.flatMap((query) => query.data ?? []).toSorted((a, b) => b.created_at.localeCompare(a.created_at))
  if (commands.length === 0) return null
  const columns = ['kind', 'state', 'shown', 'at', 'by', 'reason'] as const
  return (
    <Panel title={t('unit.commands')}>
      <div className={charts.scroll} tabIndex={0} role="region" aria-label={t('unit.commands')}>
        <table className={charts.figures}>
          <caption className="sr-only">{t('unit.commands')}</caption>
          <thead><tr>{columns.map((column) => <th key={column} scope="col">{t(`unit.commandColumn.${column}`)}</th>)}</tr></thead>
          <tbody>
            {commands.map((command) => (
              <tr key={command.id}>
                <td>{t(`unit.commandKind.${command.kind}`)}</td>
                <td>
                  <span title={command.detail ?? undefined}>
                    <FlagMark code={command.state} word={t(`unit.commandState.${command.state}`)} look={looks[command.state]} />
                  </span>
                </td>
                <td>{shown(command)}</td>
                <td>{instant(command.created_at, zone, locale)}</td>
                <td>{command.requested_by}</td>
                <td>{command.reason || '—'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  )
}
