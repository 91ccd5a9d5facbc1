"""Electricity meters after IS 15959: the columns of their profiles (reference clause 4.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np

from demeter.protocols.dlms.data import Tag, u16
from demeter.protocols.dlms.profile import CaptureObject
from demeter.simulator.billing import PERIODS_KEPT
from demeter.simulator.event_log import TRANSACTION
from demeter.simulator.fleet import MeterKind
from demeter.simulator.loads import DerivedLoad, Load, amounts
from demeter.simulator.meter import Meter, Rows
from demeter.simulator.model.captured import profiles_and_registers
from demeter.simulator.model.objects import DATA, EXTENDED_REGISTER, REGISTER, CosemObject, data_object, name
from demeter.simulator.model.profiles import CAPTURE, Column, TableProfile, stamp_column
from demeter.simulator.noise import IntArray, draw, draws
from demeter.simulator.registers import Register
from demeter.simulator.tariff import TARIFFS

W, VA, WH, VAH, VARH, AMPERE, VOLT, HERTZ, MINUTE, NO_UNIT = 27, 28, 30, 31, 32, 33, 35, 44, 6, 255
"""Unit codes (IEC 62056-6-2 table 4)."""

DEMAND_S = 1800
"""Integration period of the maximum demand (1.0.0.8.0.255), in seconds."""

_IMPORT, _EXPORT, _IMPORT_VA, _EXPORT_VA, _VAR_Q1 = 1, 2, 9, 10, 5
_ENERGY_UNIT = {1: WH, 2: WH, 16: WH, 9: VAH, 10: VAH, 5: VARH, 6: VARH, 7: VARH, 8: VARH}
_CENTI = 100


class Electricity:
    """The energy side of one electricity meter's object model."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._zone = ZoneInfo(meter.zone)
        self._three = meter.config.kind is MeterKind.THREE_PHASE
        self._seed = meter.config.load.seed
        self._power_factor = draw(self._seed, 210, 0, 910, 995)
        self._loads: dict[int, Load] = {
            _IMPORT: meter.load,
            _IMPORT_VA: DerivedLoad(meter.load, 1000, self._power_factor),
            _VAR_Q1: DerivedLoad(meter.load, draw(self._seed, 211, 0, 150, 380), 1000),
        }
        self._apparent_demand = DerivedLoad(meter.demand, 1000, self._power_factor)
        self._registers = {
            group: Register(load, meter.opening, meter.modulus, meter.book) for group, load in self._loads.items()
        }
        self._tariff_table: tuple[tuple[bytes, int, int], IntArray] | None = None
        self._tag = Tag.UINT32 if meter.modulus <= 2**32 else Tag.UINT64

    def objects(self) -> list[CosemObject]:
        """Return profiles, scaler profiles, registers and the periods they go by."""
        meter, entries = self._meter, self._meter.config.entries
        days = entries * meter.period_s // 86_400 + 1
        now, latest = meter.now_row, meter.latest_row
        profile = [
            (self._table("1.0.94.91.0.255", self._instantaneous(), now, 0, 1), "1.0.94.91.3.255", now),
            (
                self._table("1.0.99.1.0.255", self._block(), meter.block_rows, meter.period_s, entries),
                "1.0.94.91.4.255",
                latest,
            ),
            (self._table("1.0.99.2.0.255", self._daily(), meter.daily_rows, 86_400, days), "1.0.94.91.5.255", now),
            (self._billing_table(), "1.0.94.91.6.255", now),
        ]
        periods = [data_object("1.0.0.8.4.255", u16(meter.period_s)), data_object("1.0.0.8.0.255", u16(DEMAND_S))]
        return [*profiles_and_registers(profile, self._zone), *periods]

    def snapshot(self) -> list[Column]:
        """Return what the logs of voltage, current and other events record beside the code."""
        if not self._three:
            measured = [self._amperes("1.0.11.7.0", 0), self._voltage("1.0.12.7.0", 0), self._factor("1.0.13.7.0")]
            return [*measured, self._cumulative(_IMPORT)]
        currents = [self._amperes(f"1.0.{group}.7.0", phase) for phase, group in enumerate((31, 51, 71))]
        voltages = [self._voltage(f"1.0.{group}.7.0", phase) for phase, group in enumerate((32, 52, 72))]
        factors = [self._factor(f"1.0.{group}.7.0") for group in (33, 53, 73)]
        return [*currents, *voltages, *factors, self._cumulative(_IMPORT)]

    def _billing_table(self) -> TableProfile:
        table = self._table("1.0.98.1.0.255", self._billing(), self._meter.billing_rows, 0, PERIODS_KEPT)
        return replace(table, methods={CAPTURE: self._meter.end_billing_period})

    def _table(
        self, obis: str, columns: list[Column], rows: Callable[[], Rows], period_s: int, entries: int
    ) -> TableProfile:
        return TableProfile(
            name(obis), tuple(columns), rows, period_s, entries, self._zone, self._meter.config.row_format
        )

    def _block(self) -> list[Column]:
        """Return the load profile; three-phase meters: 16 columns; single-phase: 7."""
        if self._three:
            currents = [self._current(f"1.0.{c}.27.0", phase) for phase, c in enumerate((31, 51, 71))]
            voltages = [self._voltage(f"1.0.{c}.27.0", phase) for phase, c in enumerate((32, 52, 72))]
            energies = [self._interval(group) for group in (1, 2, 16, 9, 10, 5, 6, 7, 8)]
            return [stamp_column(), *currents, *voltages, *energies]
        energies = [self._interval(group) for group in (1, 9, 2, 10)]
        return [stamp_column(), self._voltage("1.0.12.27.0", 0), *energies, self._current("1.0.11.27.0", 0)]

    def _daily(self) -> list[Column]:
        groups = (1, 2, 9, 10, 5, 6, 7, 8) if self._three else (1, 9, 2, 10)
        return [stamp_column(), *(self._cumulative(group) for group in groups)]

    def _instantaneous(self) -> list[Column]:
        if self._three:
            phases = enumerate(((31, 32, 33), (51, 52, 53), (71, 72, 73)))
            measured = [
                column
                for phase, (current, voltage, factor) in phases
                for column in (
                    self._amperes(f"1.0.{current}.7.0", phase),
                    self._voltage(f"1.0.{voltage}.7.0", phase),
                    self._factor(f"1.0.{factor}.7.0"),
                )
            ]
        else:
            measured = [self._voltage("1.0.12.7.0", 0), self._amperes("1.0.11.7.0", 0)]
        power = [
            self._factor("1.0.13.7.0"),
            self._column("1.0.14.7.0", Tag.UINT16, self._hertz, -2, HERTZ),
            self._column("1.0.9.7.0", Tag.UINT32, lambda rows: self._power(self._apparent_demand, rows), 0, VA),
            self._column("1.0.1.7.0", Tag.UINT32, lambda rows: self._power(self._meter.demand, rows), 0, W),
        ]
        energies = [self._cumulative(group) for group in (1, 9, 2, 10)]
        return [stamp_column(), *measured, *power, *energies, *self._counts()]

    def _counts(self) -> list[Column]:
        """Return the counters an Indian meter shows: power failures, tampers, bills, programmings."""

        def failures(rows: Rows) -> IntArray:
            return np.full(len(rows), len(self._meter.outages()), dtype=np.int64)

        def counted(count: Callable[[], int]) -> Callable[[Rows], IntArray]:
            return lambda rows: np.full(len(rows), count(), dtype=np.int64)

        meter = self._meter
        numbers = {
            "0.0.96.7.0": failures,
            "0.0.94.91.0": counted(lambda: meter.log.tampers),
            "0.0.0.1.0": counted(lambda: len(meter.billing_ends())),
            "0.0.96.2.0": counted(lambda: meter.log.count(TRANSACTION)),
        }
        return [Column(CaptureObject(DATA, name(obis), 2), Tag.UINT32, values) for obis, values in numbers.items()]

    def _billing(self) -> list[Column]:
        """Return the billing rows, stamped at the end of their period by the billing date, not by the clock."""
        date = stamp_column(CaptureObject(DATA, name("0.0.0.1.2.255"), 2))
        demands = [*self._demand(_IMPORT, W), *self._demand(_IMPORT_VA, VA)]
        imported, *others = [self._cumulative(group) for group in (1, 9, 2, 10)]
        tariffs = [self._under_tariff(number) for number in range(TARIFFS)]
        return [date, self._factor("1.0.13.0.0"), imported, *tariffs, *others, *demands]

    def _under_tariff(self, number: int) -> Column:
        """Return the energy imported under a tariff since the meter's origin; tariffs are counted from 0 here."""

        def values(rows: Rows) -> IntArray:
            amounts: IntArray = self._tariff_amounts(rows.stamps)[number]
            return amounts

        return self._column(f"1.0.1.8.{number + 1}", self._tag, values, self._meter.scaler, WH)

    def _tariff_amounts(self, stamps: IntArray) -> IntArray:
        """Return int64[8, n]; the registers of all tariffs are asked for one after the other, so the last is kept."""
        meter = self._meter
        key = stamps.tobytes(), meter.load.version(), meter.tariff.changes
        if self._tariff_table is None or self._tariff_table[0] != key:
            self._tariff_table = key, meter.tariff_amounts(meter.load, stamps)
        return self._tariff_table[1]

    def _column(
        self, obis: str, tag: Tag, values: Callable[[Rows], IntArray], scaler: int, unit: int, class_id: int = REGISTER
    ) -> Column:
        return Column(CaptureObject(class_id, name(obis), 2), tag, values, scaler, unit)

    def _interval(self, group: int) -> Column:
        """Return the energy of the interval; what does not flow is shown as zero, the net (16) is import."""
        load = self._loads.get(_IMPORT if group == 16 else group)
        values = self._zeros if load is None else self._interval_of(load)
        tag = Tag.INT32 if group == 16 else Tag.UINT32
        return self._column(f"1.0.{group}.29.0", tag, values, self._meter.scaler, _ENERGY_UNIT[group])

    def _interval_of(self, load: Load) -> Callable[[Rows], IntArray]:
        if load is self._meter.load:
            return self._meter.block_amounts
        return lambda rows: self._meter.interval_amounts(load, rows)

    def _cumulative(self, group: int) -> Column:
        register = self._registers.get(group)
        values = self._zeros if register is None else (lambda rows: register.index(rows.stamps))
        return self._column(f"1.0.{group}.8.0", self._tag, values, self._meter.scaler, _ENERGY_UNIT[group])

    def _demand(self, group: int, unit: int) -> list[Column]:
        """Return the period's highest demand and when it ended (extended register, attributes 2 and 5)."""
        register = name(f"1.0.{group}.6.0")
        highest = CaptureObject(EXTENDED_REGISTER, register, 2)
        return [
            Column(highest, Tag.UINT32, lambda rows: self._highest(group, rows)[0], 0, unit),
            Column(
                CaptureObject(EXTENDED_REGISTER, register, 5),
                Tag.OCTET_STRING,
                lambda rows: self._highest(group, rows)[1],
            ),
        ]

    def _highest(self, group: int, rows: Rows) -> tuple[IntArray, IntArray]:
        """Return for each row the highest demand since its period's start, and the end of that half-hour."""
        demands, ends = [], []
        stamps = rows.stamps.tolist()
        begins = map(self._meter.period_start, stamps) if rows.recorded is None else rows.recorded.tolist()
        for begin, stamp in zip(begins, stamps, strict=True):
            bounds = np.arange(begin, stamp + 1, DEMAND_S, dtype=np.int64)
            used = amounts(self._loads[group], bounds)
            place = int(used.argmax()) if len(used) else -1
            demands.append(self._whole(int(used[place])) * 3600 // DEMAND_S if len(used) else 0)
            ends.append(int(bounds[place + 1]))
        return np.array(demands, dtype=np.int64), np.array(ends, dtype=np.int64)

    def _whole(self, amount: int) -> int:
        """Return an amount in whole Wh."""
        return amount // self._meter.per_unit

    def _power(self, load: Load, rows: Rows) -> IntArray:
        """Return the power at each stamp, in W or VA; ``load`` is what would flow through a closed switch."""
        return np.array([self._meter.power_w(at_s, load) for at_s in rows.stamps.tolist()], dtype=np.int64)

    def _zeros(self, rows: Rows) -> IntArray:
        return np.zeros(len(rows), dtype=np.int64)

    def _hertz(self, rows: Rows) -> IntArray:
        hertz: IntArray = 4_990 + draws(self._seed, 220, rows.stamps, 20)
        return hertz

    def _factor(self, obis: str) -> Column:
        return self._column(obis, Tag.INT16, self._factors, -3, NO_UNIT)

    def _factors(self, rows: Rows) -> IntArray:
        return np.full(len(rows), self._power_factor, dtype=np.int64)

    def _voltage(self, obis: str, phase: int) -> Column:
        return self._column(obis, Tag.UINT16, lambda rows: self._centivolts(phase, rows.stamps), -2, VOLT)

    def _centivolts(self, phase: int, stamps: IntArray) -> IntArray:
        """Return 230 V give or take five, by quarter-hour."""
        volts: IntArray = 22_500 + draws(self._seed, 221 + phase, stamps // 900, 1_000)
        return volts

    def _current(self, obis: str, phase: int) -> Column:
        return self._column(obis, Tag.UINT16, lambda rows: self._mean_centiamperes(phase, rows), -2, AMPERE)

    def _amperes(self, obis: str, phase: int) -> Column:
        """Return the current at the moment."""

        def values(rows: Rows) -> IntArray:
            return self._centiamperes(phase, rows, self._power(self._apparent_demand, rows))

        return self._column(obis, Tag.UINT16, values, -2, AMPERE)

    def _mean_centiamperes(self, phase: int, rows: Rows) -> IntArray:
        """Return the mean current that goes with the interval's apparent energy and the voltage."""
        load = self._loads[_IMPORT_VA]
        used = load.total(rows.stamps) - load.total(rows.stamps - self._meter.period_s)
        return self._centiamperes(phase, rows, used // self._meter.per_unit * 3600 // self._meter.period_s)

    def _centiamperes(self, phase: int, rows: Rows, power: IntArray) -> IntArray:
        share = power // 3 if self._three else power
        amperes = share * _CENTI * _CENTI // self._centivolts(phase, rows.stamps)
        limited: IntArray = np.minimum(amperes, 0xFFFF)
        return limited
