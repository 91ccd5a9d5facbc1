/** Short names for what the server sends. The shapes themselves are generated from its OpenAPI document. */

import type { components } from './schema'

type Schemas = components['schemas']

export type Session = Schemas['Session']
export type Site = Schemas['SiteAnswer']
export type UnitsPage = Schemas['UnitsAnswer']
export type UnitRow = Schemas['UnitRow']
export type HandOff = Schemas['Destination']
export type ServicePointPage = Schemas['ServicePointPage']
export type MonthTotal = Schemas['TotalAnswer']
export type RegisterRead = Schemas['RegisterAnswer']
export type FlagEvidence = Schemas['FlagWithEvidence']
export type Intervals = Schemas['IntervalsAnswer']
export type Days = Schemas['DaysAnswer']
export type DayConsumption = Schemas['DayAnswer']
export type Months = Schemas['MonthsAnswer']
export type MonthConsumption = Schemas['MonthAnswer']
export type Explanation = Schemas['Explanation']
export type ExplainedDay = Schemas['ExplainedDay']
export type ExplainedFrame = Schemas['ExplainedFrame']
export type SelfReadResult = Schemas['SelfReadAnswer']
export type MetersPage = Schemas['MetersAnswer']
export type MeterRow = Schemas['MeterRow']
export type ReadNowResult = Schemas['ReadNowAnswer']
export type MeterCommand = Schemas['CommandAnswer']
export type ReconciliationRow = Schemas['ReconciliationRow']
export type QualityBreakdown = MonthTotal['quality']

/** Known commodities; a later server may name more, which are shown by their own word. */
export type Commodity = UnitRow['commodity'] | 'gas'
