/** Amounts for people. Decimals arrive as strings and stay exact: sums are made of scaled integers. */

import type { Commodity } from '@/api/types'

interface Scaled {
  digits: bigint
  places: number
}

function parse(amount: string): Scaled {
  const [whole = '0', fraction = ''] = amount.split('.')
  return { digits: BigInt(whole + fraction), places: fraction.length }
}

function print({ digits, places }: Scaled): string {
  const sign = digits < 0n ? '-' : ''
  const text = String(digits < 0n ? -digits : digits).padStart(places + 1, '0')
  return places === 0 ? sign + text : `${sign}${text.slice(0, -places)}.${text.slice(-places)}`
}

/** The exact sum of decimal strings. */
export function sum(amounts: string[]): string {
  const parsed = amounts.map(parse)
  const places = Math.max(0, ...parsed.map((one) => one.places))
  const digits = parsed.reduce((total, one) => total + one.digits * 10n ** BigInt(places - one.places), 0n)
  return print({ digits, places })
}

/** An integer with a decimal exponent, exactly: (1234, -3) → "1.234". */
export function scaled(value: number, scaler: number): string {
  if (scaler >= 0) return String(BigInt(value) * 10n ** BigInt(scaler))
  return print({ digits: BigInt(value), places: -scaler })
}

/** "14.2": grouped and rounded for reading; the exact string belongs into the tooltip. */
export function rounded(amount: string, locale: string, places = 1): string {
  return new Intl.NumberFormat(locale, { minimumFractionDigits: places, maximumFractionDigits: places })
    .format(amount as unknown as number)
}

/** "14.2 kL". */
export const withUnit = (amount: string, unit: string, locale: string, places = 1) =>
  `${rounded(amount, locale, places)}\u00a0${unit}`

/** "98.2 %", never 100 % unless it is all. */
export function percent(share: number, locale: string): string {
  const tenths = share >= 1 ? 1000 : Math.min(999, Math.round(share * 1000))
  const places = tenths % 10 === 0 ? 0 : 1
  return `${new Intl.NumberFormat(locale, { minimumFractionDigits: places, maximumFractionDigits: places })
    .format(tenths / 10)}\u00a0%`
}

/** The unit in which people read a commodity's register. */
export const registerUnit = (commodity: Commodity) =>
  commodity === 'water' || commodity === 'gas' ? 'kL' : 'kWh'
