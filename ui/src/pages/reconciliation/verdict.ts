import type { Shape, Tone } from '@/components/Flag'

/** What a person has to know of a verdict: it explains itself, it needs a look, or it cannot be given. */
export type Judgement = 'reconciled' | 'check' | 'open'

const explained = ['within class error', 'technical loss', 'reconciled']
const undecided = ['inconclusive', 'not possible']

export function judged(verdict: string): Judgement {
  if (explained.includes(verdict)) return 'reconciled'
  return undecided.some((word) => verdict.startsWith(word)) ? 'open' : 'check'
}

export const looks: Record<Judgement, [Shape, Tone]> = {
  reconciled: ['checks', 'good'],
  check: ['diamond', 'attention'],
  open: ['half', 'offline'],
}

/** The verdict in the server's words, as a sentence. */
export const sentenceOf = (verdict: string) => `${verdict.charAt(0).toUpperCase()}${verdict.slice(1)}.`
