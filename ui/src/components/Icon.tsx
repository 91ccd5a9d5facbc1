import type { ReactElement } from 'react'

const paths = {
  units: <path d="M3 21h18M5 21V5l7-2v18M12 8l7 2v11M8 8h1M8 12h1M8 16h1M15 13h1M15 17h1" />,
  meters: <path d="M4 17a8 8 0 1 1 16 0M12 17l4-5M4 17h16M7 20h10" />,
  reconciliation: <path d="M12 4v16M6 20h12M4 8h16M4 8l-2 6h5L4 8Zm16 0-3 6h5l-2-6Z" />,
  previous: <path d="m14 6-6 6 6 6" />,
  next: <path d="m10 6 6 6-6 6" />,
  up: <path d="m6 14 6-6 6 6" />,
  down: <path d="m6 10 6 6 6-6" />,
  sort: <path d="m8 9 4-4 4 4M8 15l4 4 4-4" />,
  download: <path d="M12 4v11m0 0 4-4m-4 4-4-4M5 19h14" />,
  search: <path d="M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13Zm5-1.5L20 20" />,
  electricity: <path d="M13 3 5 14h6l-1 7 8-11h-6l1-7Z" />,
  water: <path d="M12 3c4 5 6 7.500 6 11a6 6 0 0 1-12 0c0-3.500 2-6 6-11Z" />,
  gas: <path d="M12 3c1 4 5 5 5 11a5 5 0 0 1-10 0c0-3 2-4 2-6 1 0 2 1 2 2 1-2 1-4 1-7Z" />,
  sun: <path d="M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm0-14v2m0 16v2M4.900 4.900l1.400 1.400m11.400 11.400 1.400 1.400M2 12h2m16 0h2M4.900 19.100l1.400-1.400M17.700 6.300l1.400-1.400" />,
  moon: <path d="M20 14.500A8.500 8.500 0 1 1 9.500 4 7 7 0 0 0 20 14.500Z" />,
  auto: <path d="M12 4a8 8 0 1 0 0 16V4Zm0 0a8 8 0 0 1 0 16" />,
  person: <path d="M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-8 9c0-4 4-6 8-6s8 2 8 6" />,
  arrow: <path d="M5 12h14m-5-5 5 5-5 5" />,
  refresh: <path d="M20 12a8 8 0 1 1-2.500-5.800M20 4v5h-5" />,
  proof: <path d="M9 12l2 2 4-4M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6l7-3Z" />,
  zoomIn: <path d="M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13Zm5-1.500L20 20M10.500 8v5M8 10.500h5" />,
  zoomOut: <path d="M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13Zm5-1.500L20 20M8 10.500h5" />,
  table: <path d="M4 5h16v14H4zM4 10h16M4 14.500h16M10 5v14" />,
  chart: <path d="M4 20h16M7 20v-7m5 7V6m5 14v-9" />,
  close: <path d="m6 6 12 12M18 6 6 18" />,
  people: <path d="M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7Zm-7 9c0-4 3-6 7-6s7 2 7 6M16 4.500a3.500 3.500 0 0 1 0 6.500M18 14.500c2.500.8 4 2.500 4 5.500" />,
} satisfies Record<string, ReactElement>

export type IconName = keyof typeof paths

/** A line icon in the text's colour; decorative, the word stands beside it. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.7"
      strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false" style={{ flex: 'none' }}
    >
      {paths[name]}
    </svg>
  )
}

/** Demeter's mark. */
export function Mark({ size = 28 }: { size?: number }) {
  return <img src="/mark.svg" width={size} height={size} alt="" />
}
