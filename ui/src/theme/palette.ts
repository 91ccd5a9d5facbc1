import { useComputedColorScheme } from '@mantine/core'
import { useMemo } from 'react'
import type { Commodity } from '@/api/types'

/** The colour tokens as values, for canvases that cannot read CSS variables. */
export interface Palette {
  surface: string
  sunken: string
  line: string
  ink: string
  ink2: string
  accent: string
  electricity: string
  water: string
  gas: string
  attention: string
  critical: string
  offline: string
  hatch: string
}

function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement)
  const token = (name: string) => style.getPropertyValue(name).trim()
  return {
    surface: token('--surface'),
    sunken: token('--sunken'),
    line: token('--line'),
    ink: token('--ink'),
    ink2: token('--ink-2'),
    accent: token('--accent'),
    electricity: token('--electricity'),
    water: token('--water'),
    gas: token('--gas'),
    attention: token('--attention'),
    critical: token('--critical'),
    offline: token('--offline'),
    hatch: token('--hatch'),
  }
}

/** The palette of the scheme in force; changes when the person switches between light and dark. */
export function usePalette(): Palette {
  const scheme = useComputedColorScheme('light', { getInitialValueInEffect: false })

  return useMemo(readPalette, [scheme])
}

/** The colour in which a commodity's amounts are drawn. */
export function commodityColour(palette: Palette, commodity: Commodity): string {
  if (commodity === 'water') return palette.water
  if (commodity === 'gas') return palette.gas
  return palette.electricity
}
