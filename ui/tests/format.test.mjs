// The functions on which dates and numbers depend, run by Node's own test runner (`npm test`).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'

const alias = { '@': fileURLToPath(new URL('../src', import.meta.url)) }
const load = async (path) => (await runnerImport(path, { configFile: false, resolve: { alias } })).module
const time = await load('./src/format/time.ts')
const amount = await load('./src/format/amount.ts')
const { csv } = await load('./src/format/csv.ts')
const slots = await load('./src/charts/slots.ts')
const { partsOf } = await load('./src/format/quality.ts')
const progress = await load('./src/pages/units/progress.ts')

const iso = (dates) => dates.map((date) => date.toISOString())
const plain = (text) => text.replaceAll('\u00a0', ' ')

test('a month of a half-hour zone begins at its own midnight', () => {
  assert.deepEqual(iso(time.monthSpan('2026-11', 'Asia/Kolkata')), ['2026-10-31T18:30:00.000Z', '2026-11-30T18:30:00.000Z'])
})

test('days of a clock change have 23 and 25 hours', () => {
  const hours = (day) => {
    const [start, end] = time.daySpan(day, 'Europe/London')
    return (end - start) / 3_600_000
  }
  assert.equal(hours('2026-03-29'), 23)
  assert.equal(hours('2026-10-25'), 25)
  assert.equal(hours('2026-06-01'), 24)
})

test('a time that occurs twice is the first of the two, one that never occurs is moved on', () => {
  assert.equal(time.zonedToUtc('2026-10-25T01:30', 'Europe/London').toISOString(), '2026-10-25T00:30:00.000Z')
  assert.equal(time.zonedToUtc('2026-03-29T01:30', 'Europe/London').toISOString(), '2026-03-29T01:30:00.000Z')
})

test('clock and instant are inverse to each other outside the repeated hour', () => {
  for (const zone of ['Asia/Kolkata', 'Europe/London', 'America/St_Johns', 'Australia/Lord_Howe']) {
    for (let day = 0; day < 365; day += 1) {
      const at = new Date(Date.UTC(2026, 0, 1, 12, 15) + day * 86_400_000)
      assert.equal(time.zonedToUtc(time.localClock(at, zone), zone).getTime(), at.getTime())
    }
  }
})

test('months move over the year', () => {
  assert.equal(time.shiftMonth('2026-12', 1), '2027-01')
  assert.equal(time.shiftMonth('2026-01', -1), '2025-12')
  assert.equal(time.isMonth('2026-13'), false)
})

test('sums of decimals are exact', () => {
  assert.equal(amount.sum(['0.1', '0.2']), '0.3')
  assert.equal(amount.sum(['9007199254740993.001', '-0.0005']), '9007199254740993.0005')
  assert.equal(amount.sum([]), '0')
  assert.equal(amount.scaled(1234, -3), '1.234')
  assert.equal(amount.scaled(-5, -3), '-0.005')
  assert.equal(amount.scaled(12, 2), '1200')
})

test('a share is never called all when it is not', () => {
  assert.equal(plain(amount.percent(0.99999, 'en')), '99.9 %')
  assert.equal(plain(amount.percent(1, 'en')), '100 %')
})

test('large decimals keep their digits when they are grouped', () => {
  assert.equal(amount.rounded('9007199254740993.5', 'en-IN', 1), '9,00,71,99,25,47,40,993.5')
})

test('an export quotes what must be quoted and starts no formula', () => {
  assert.equal(csv(['Unit'], [['a,"b"'], ['=1+1'], ['-5.2']]), '\ufeffUnit\r\n"a,""b"""\r\n\'=1+1\r\n-5.2\r\n')
})

test('a missing interval is a gap, one that is not due yet is not', () => {
  const intervals = { start_s: 0, interval_s: 900, zone: 'UTC', unit: 'Wh', scaler: 0, values: [5, null, null, 0, null], quality: [40, 0, 0, 40, 0], metered: [0, Infinity] }
  assert.deepEqual(slots.gapsOf(intervals, 6299), [{ start: 900, end: 2700, slots: 2 }])
  assert.equal(slots.slotAt(intervals, 4, 6299).state, 'not_due')
  assert.deepEqual(slots.curvesOf(intervals).measured, [5, null, null, 0, null])
})

test('worked-out values are a curve of their own', () => {
  const intervals = { start_s: 0, interval_s: 900, zone: 'UTC', unit: 'Wh', scaler: 1, values: [1, 2, 3], quality: [40, 10, 60] }
  assert.deepEqual(slots.curvesOf(intervals), { times: [0, 900, 1800], measured: [10, null, 30], workedOut: [null, 20, null] })
})

test('before its first meter and after its last a service point lacks nothing', () => {
  const given = { start_s: 0, interval_s: 900, zone: 'UTC', unit: 'Wh', scaler: 0, values: [null, null, 7, null, null, null], quality: [0, 0, 40, 0, 0, 0] }
  const at = (seconds) => new Date(seconds * 1000).toISOString()
  const exchanged = [{ from: at(1800), to: at(2700) }, { from: at(3600), to: at(4500) }]
  const intervals = slots.withMeters(given, exchanged)
  assert.deepEqual(given.values.map((_, index) => slots.slotAt(intervals, index, 90_000).state), ['unmetered', 'unmetered', 'value', 'missing', 'missing', 'unmetered'])
  assert.deepEqual(slots.gapsOf(intervals, 90_000), [{ start: 2700, end: 4500, slots: 2 }])
  assert.deepEqual(slots.gapsOf(slots.withMeters(given, []), 90_000), [])
  assert.equal(slots.slotAt(slots.withMeters(given, [{ from: at(1800), to: null }]), 5, 90_000).state, 'missing')
})

test('units without any number used an unknown amount, not nothing', () => {
  const row = (commodity, consumption, role = 'unit') => ({ commodity, consumption, role, consumption_unit: commodity === 'water' ? 'kL' : 'kWh' })
  assert.deepEqual(
    progress.usedByUnits([row('water', null), row('water', null), row('electricity', '1.5'), row('electricity', '2.25'), row('electricity', null), row('electricity', '9', 'bulk')]),
    [
      { commodity: 'electricity', amount: '3.75', unit: 'kWh', lacking: 1 },
      { commodity: 'water', amount: null, unit: 'kL', lacking: 2 },
    ],
  )
})

test('a total is told in its parts, without what is missing', () => {
  assert.deepEqual(
    partsOf({ missing: { amount: '0', slots: 4 }, 'self-read': { amount: '2', slots: 3 }, measured: { amount: '1', slots: 9 }, edited: { amount: '0', slots: 0 } }),
    [{ key: 'measured', amount: '1', slots: 9 }, { key: 'self_read', amount: '2', slots: 3 }],
  )
})
