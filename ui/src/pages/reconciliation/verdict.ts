import type { ReconciliationRow } from '@/api/types'
import type { Shape, Tone } from '@/components/Flag'

/** What a person has to know of a verdict: it explains itself, it needs a look, or it cannot be given. */
export type Judgement = 'reconciled' | 'check' | 'incomplete' | 'open'

const undecided = ['inconclusive', 'not_possible']

export function judged({ attention, verdict_code: code }: ReconciliationRow): Judgement {
  if (!attention) return 'reconciled'
  if (code === 'incomplete') return code
  return undecided.includes(code) ? 'open' : 'check'
}

export const looks: Record<Judgement, [Shape, Tone]> = {
  reconciled: ['checks', 'good'],
  check: ['diamond', 'attention'],
  incomplete: ['half', 'attention'],
  open: ['half', 'offline'],
}

/** The verdict in the server's words, as a sentence. */
export const sentenceOf = (verdict: string) => `${verdict.charAt(0).toUpperCase()}${verdict.slice(1)}.`
