/** The quality codes of interval readings, as the server stores them, and how they are drawn. */

export const MISSING = 0

const words: Record<number, string> = {
  0: 'missing', 10: 'estimated', 20: 'substituted', 30: 'self_read', 40: 'measured', 50: 'suspect', 60: 'edited',
}

/** The key of a code's word in the translations. */
export const qualityKey = (code: number) => words[code] ?? 'suspect'

/** The key of a word the server wrote ("self-read" or "self_read"). */
export const wordKey = (word: string) => word.replaceAll('-', '_')

/** The order in which qualities are named wherever they stand side by side. */
export const qualityOrder = ['measured', 'estimated', 'substituted', 'self_read', 'edited', 'suspect', 'missing']

/** One quality's part of a total. */
export interface QualityPart {
  key: string
  amount: string
  slots: number
}

/** What a total is made of, in the usual order; what is missing has no amount and is no part. */
export const partsOf = (quality: Record<string, { amount: string; slots: number }>): QualityPart[] =>
  Object.entries(quality)
    .map(([word, part]) => ({ key: wordKey(word), ...part }))
    .filter((part) => part.key !== 'missing' && part.slots > 0)
    .toSorted((a, b) => qualityOrder.indexOf(a.key) - qualityOrder.indexOf(b.key))

/** Values that no meter measured are drawn dashed. */
export const isWorkedOut = (key: string) => key === 'estimated' || key === 'substituted' || key === 'self_read'

/** Values that carry a mark: somebody changed or doubts them. */
export const isMarked = (key: string) => key === 'edited' || key === 'suspect'
