import type { ServicePointPage } from '@/api/types'

/** The flags that still stand; one with an end is history. */
export const openFlags = (page: ServicePointPage) =>
  page.flags.filter((flag) => flag.code !== 'normal' && flag.until === null)
