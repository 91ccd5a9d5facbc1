/** What the server sends. Times are ISO-8601 with offset; decimals are strings; quality codes are the server's. */

export type Commodity = 'electricity' | 'water' | 'gas' | (string & {})
export type FlagCode =
  | 'normal' | 'leak' | 'read_failure' | 'reconciled' | 'self_read' | 'no_readings' | 'partial' | (string & {})

export interface Session {
  user: { name: string; email: string; role: string }
  organization: { id: string; name: string }
}

export interface Site {
  id: string
  name: string
  zone: string
  currency: string
  locale: string
}

export interface Flag {
  code: FlagCode
  word: string
  since: string | null
  detail: string | null
}

export interface HandOff {
  to: string
  what: string | null
}

export type QualityBreakdown = Record<string, { amount: string; slots: number }>

export interface UnitRow {
  service_point_id: string
  unit: string
  building: string
  role: 'unit' | 'bulk' | 'common' | (string & {})
  commodity: Commodity
  consumption: string | null
  consumption_unit: string
  coverage: number
  quality: QualityBreakdown
  flag: Flag
  last_read_at: string | null
  goes_to: HandOff[]
  revision: number | null
}

export interface UnitsSummary {
  units: number
  meters: number
  read_today: number
  meters_due: number
  leaks: number
  read_failures: number
  self_reads: number
}

export interface UnitsPage {
  site: Site
  month: string
  zone: string
  complete: boolean
  summary: UnitsSummary
  rows: UnitRow[]
}

export interface RegisterRead {
  at: string
  value: string
  unit: string
  meter_serial: string | null
}

export interface FlagEvidence extends Flag {
  until: string | null
  evidence: Record<string, unknown> | null
}

export interface MeterInstalled {
  id: string
  serial: string
  maker: string | null
  from: string
  to: string | null
  protocol: string | null
}

export interface ServicePointPage {
  service_point: {
    id: string
    unit: string
    building: string
    role: string
    commodity: Commodity
    site_id: string
    zone: string
  }
  month: string
  total: {
    consumption: string | null
    unit: string
    coverage: number
    quality: QualityBreakdown
    opening: RegisterRead | null
    closing: RegisterRead | null
    revision: number | null
    published_at: string | null
  }
  flags: FlagEvidence[]
  meters: MeterInstalled[]
}

export interface Intervals {
  start_s: number
  interval_s: number
  zone: string
  unit: string
  scaler: number
  values: (number | null)[]
  quality: number[]
}

export interface DayConsumption {
  day: string
  consumption: string | null
  coverage: number
  quality: QualityBreakdown
}

export interface MonthConsumption {
  month: string
  consumption: string | null
  coverage: number
  flag: Flag | string | null
}

export interface Explanation {
  matches: boolean
  statement: string
  rederived: string | null
  days: ExplainedDay[]
  frames: ExplainedFrame[]
  edits: Record<string, unknown>[]
  differences: Record<string, unknown>[]
}

export interface ExplainedDay {
  day: string
  consumption: string | null
  rederived?: string | null
  coverage?: number
  slots?: number
}

export interface ExplainedFrame {
  id: string
  received_at: string
  codec: string
  sha256: string
  rows: number
  covers_start: string | null
  covers_end: string | null
}

export interface SelfReadResult {
  outcome: 'accepted' | 'accepted_with_flag' | 'rejected' | 'needs_check' | (string & {})
  reason: string | null
}

export interface MeterRow {
  id: string
  serial: string
  commodity: Commodity
  place: string
  role: string
  last_read_at: string | null
  last_measured_at: string | null
  reads_due: number
  reads_received: number
  last_failure: { kind: string; message: string; at: string } | null
  state: 'live' | 'late' | 'stale' | 'never' | (string & {})
}

export interface ReadNowResult {
  outcome: string
  message: string
  readings: number
}

export interface ReconciliationRow {
  building: string
  commodity: Commodity
  bulk: string | null
  units: string | null
  common: string | null
  loss: string | null
  loss_percent: string | number | null
  coverage: number
  verdict: string
  excluded: (string | { unit: string; reason?: string | null })[]
  shares: { unit: string; share: string | number; amount: string }[]
}
