import { useTranslation } from 'react-i18next'
import type { Commodity } from '@/api/types'
import { Icon } from './Icon'

const icons = { electricity: 'electricity', water: 'water', gas: 'gas' } as const

export function useCommodityWord(): (commodity: Commodity) => string {
  const { t } = useTranslation()
  return (commodity) => t(`commodity.${commodity as 'water'}`, { defaultValue: commodity })
}

export function CommodityIcon({ commodity, size = 16 }: { commodity: Commodity; size?: number }) {
  const name = commodity in icons ? (commodity as keyof typeof icons) : 'electricity'
  return <span style={{ color: `var(--${name})`, display: 'inline-flex' }}><Icon name={name} size={size} /></span>
}
