/** The quality codes of interval readings, as the server stores them, and how they are drawn. */

export const MISSING = 0

const words: Record<number, string> = {
  0: 'missing', 10: 'estimated', 20: 'substituted', 30: 'self_read', 40: 'measured', 50: 'suspect', 60: 'edited',
}

/** The key of a code's word in the translations. */
export const qualityKey = (code: number) => words[code] ?? 'suspect'

/** The key of a word the server wrote ("self-read" or "self_read"). */
export const wordKey = (word: string) => word.replaceAll('-', '_')

/** Values that no meter measured are drawn dashed. */
export const isWorkedOut = (key: string) => key === 'estimated' || key === 'substituted' || key === 'self_read'

/** Values that carry a mark: somebody changed or doubts them. */
export const isMarked = (key: string) => key === 'edited' || key === 'suspect'
