"""One simulated meter: its clock, its load, its registers and the stamps of what it remembers. No protocol here."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demeter.kernel import Clock, Invalid, day_start, local_day, month_span
from demeter.protocols.dlms.classes import ControlMode
from demeter.simulator.billing import PERIODS_KEPT, BillingPeriods
from demeter.simulator.event_log import (
    CLOCK_SET,
    DEMAND_RESET,
    POWER_FAILED,
    POWER_RESTORED,
    EventLog,
    MeterEvent,
)
from demeter.simulator.faults import Fault, FaultBook, FaultKind, FaultyLoad
from demeter.simulator.fleet import FleetConfig, LoadConfig, MeterConfig, epoch_s
from demeter.simulator.image import ImageBank
from demeter.simulator.limiter import NO_LIMIT, Limiter
from demeter.simulator.load_shapes import SHAPES
from demeter.simulator.loads import BulkLoad, Calibration, Load, ShapedLoad, SteadyLoad, amounts
from demeter.simulator.noise import IntArray
from demeter.simulator.registers import Register
from demeter.simulator.relay import Relay, SwitchedLoad
from demeter.simulator.replay import RecordedLoad, Recording, read_recording
from demeter.simulator.slots import SLOT_S
from demeter.simulator.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a profile: int64[n] ``stamps``, and the values where they are recorded and not computed."""

    stamps: IntArray
    recorded: IntArray | None = None

    def __len__(self) -> int:
        return len(self.stamps)

    def __getitem__(self, chosen: slice | NDArray[np.bool_]) -> Rows:
        return Rows(self.stamps[chosen], None if self.recorded is None else self.recorded[chosen])


class Meter:
    """The physical side of a meter. Instants are UTC epoch seconds; amounts are in 10**``scaler`` of Wh or litre."""

    def __init__(
        self, config: MeterConfig, zone: str, origin_s: int, load: Load, recording: Recording | None, clock: Clock
    ) -> None:
        self.config = config
        self.zone = zone
        self.book = FaultBook(config.faults)
        self.log = EventLog()
        self.relay = Relay(self.book, self._note, ControlMode(config.control_mode))
        self.demand = FaultyLoad(load, self.book)
        self.load = SwitchedLoad(self.demand, self.relay)
        self.billing = BillingPeriods(zone)
        self.tariff = Tariff(self._note)
        self.recording = recording
        self.scaler = 0 if recording is None else recording.scaler
        self.period_s = config.interval_s if recording is None else recording.period_s
        self._clock = clock
        self.image = ImageBank(
            self.book, self._note, self.true_now_s, zone, config.image_block_size, config.image_seconds
        )
        self._noticed: set[tuple[int, int]] = set()
        self._looked = (-1, -1)
        self._origin_s = -(-origin_s // self.period_s) * self.period_s
        self.per_unit: int = 10**-self.scaler
        self.opening = config.opening * self.per_unit
        self.modulus: int = 10**config.dial_digits * self.per_unit
        self.register = Register(self.load, self.opening, self.modulus, self.book)
        self.limiter = Limiter(self.power_w, self.relay, self._note, self.true_now_s())
        self.limiter.limits.normal = config.limit_w or NO_LIMIT
        self.limiter.limits.over_s = config.limit_over_s

    def true_now_s(self) -> int:
        """Return the present instant."""
        return int(self._clock.now().timestamp())

    def now_s(self) -> int:
        """Return what the meter's own clock shows."""
        at_s = self.true_now_s()
        return at_s + self.book.drift_s(at_s)

    def now_row(self) -> Rows:
        """Return the one row that stands for the present instant of the meter's clock."""
        return Rows(np.array([self.now_s()], dtype=np.int64))

    def latest_row(self) -> Rows:
        """Return the newest row of the load profile, if there is one."""
        return self.block_rows()[-1:]

    def block_rows(self) -> Rows:
        """Return the rows of the load profile the meter still holds, stamped at their intervals' ends, oldest first."""
        if self.recording is not None:
            held = Rows(self.recording.end_s, self.recording.values)
            return held[-self.config.entries :]
        last = self.now_s() // self.period_s * self.period_s
        first = max(self._origin_s + self.period_s, last - (self.config.entries - 1) * self.period_s)
        stamps = np.arange(first, last + 1, self.period_s, dtype=np.int64)
        return Rows(stamps[~self.book.unpowered(stamps, self.period_s)])

    def block_amounts(self, rows: Rows) -> IntArray:
        """Return the meter's amount in the interval that ends at each row's stamp."""
        if rows.recorded is None:
            return self.interval_amounts(self.load, rows)
        recorded: IntArray = np.where(self.relay.open_at(rows.stamps), 0, rows.recorded)
        return recorded

    def interval_amounts(self, load: Load, rows: Rows) -> IntArray:
        """Return a load's amount in the interval that ends at each row's stamp."""
        stamps = rows.stamps
        unbroken = len(stamps) > 1 and bool((np.diff(stamps) == self.period_s).all())
        if unbroken:
            return amounts(load, np.concatenate([stamps[:1] - self.period_s, stamps]))
        between: IntArray = load.total(stamps) - load.total(stamps - self.period_s)
        return between

    def daily_rows(self) -> Rows:
        """Return a row for each local midnight the meter remembers, oldest first."""
        first, last = self._held()
        kept = self.config.entries * self.period_s // 86_400 + 1
        midnights = np.array(_midnights(self.zone, first // 86_400, last // 86_400), dtype=np.int64)
        return Rows(midnights[(midnights >= first) & (midnights <= last)][-kept:])

    def power_w(self, at_s: int, load: Load | None = None) -> int:
        """Return the power at an instant, in W (water: litres an hour); none flows through an open relay.

        It is the mean of the quarter-hour the instant lies in: within one, a simulated load is constant. ``load``:
        another demand than the meter's own, for instance the apparent one.
        """
        if not self.relay.closed and self.relay.open_at(np.array([at_s], dtype=np.int64))[0]:
            return 0
        step_s = SLOT_S if self.recording is None else self.period_s
        start_s = at_s // step_s * step_s
        bounds = np.array([start_s, start_s + step_s], dtype=np.int64)
        return int(amounts(self.demand if load is None else load, bounds)[0]) * 3600 // step_s // self.per_unit

    def billing_ends(self) -> list[int]:
        """Return the end of every billing period so far."""
        first_s, last_s = self._held()
        return self.billing.ends(first_s, max(last_s, self.billing.newest_reset_s))

    def billing_rows(self) -> Rows:
        """Return a row for each billing period the meter remembers, stamped at its end, oldest first.

        What is recorded with each row is when its period began.
        """
        ends = self.billing_ends()
        begins = [self._origin_s, *ends[:-1]]
        return Rows(*(np.array(times[-PERIODS_KEPT:], dtype=np.int64) for times in (ends, begins[: len(ends)])))

    def period_start(self, at_s: int) -> int:
        """Return when the billing period began that runs at an instant."""
        ends = self.billing_ends()
        place = bisect_right(ends, at_s)
        return ends[place - 1] if place else self._origin_s

    def tariff_amounts(self, load: Load, stamps: IntArray) -> IntArray:
        """Return int64[8, n]: what a load used under each tariff from the meter's origin until each ascending stamp."""
        return self.tariff.used(load, self.zone, self._origin_s, stamps)

    def end_billing_period(self) -> None:
        """End the present billing period by command; the meter notes it as an event."""
        self.billing.reset(self.true_now_s())
        self.noted(DEMAND_RESET)

    def set_clock(self, at_s: int) -> None:
        """Set the meter's own clock; the meter notes it as an event."""
        now_s = self.true_now_s()
        self.book.clear(FaultKind.DRIFT, now_s)
        self.book.add(Fault(FaultKind.DRIFT, now_s, seconds=at_s - now_s))
        self.log.note(at_s, CLOCK_SET)

    def noted(self, code: int) -> None:
        """Note an event now."""
        self.log.note(self.now_s(), code)

    def advance(self) -> None:
        """Do and note everything that was due by now: what the supply did, what the limiter had to do."""
        now_s = self.true_now_s()
        if self._looked == (now_s, self.book.changes):
            return
        self._looked = (now_s, self.book.changes)
        for at_s, code in self._happenings():
            if at_s <= now_s and (at_s, code) not in self._noticed:
                self._noticed.add((at_s, code))
                self._note(at_s, code)
        self.limiter.advance(now_s)
        self.tariff.advance(now_s)
        self.image.advance()

    def next_happening_s(self) -> int | None:
        """Return when the next entered fault of the supply will be noticed; None: none is to come."""
        now_s = self.true_now_s()
        return next((at_s for at_s, _ in self._happenings() if at_s > now_s), None)

    def outages(self) -> list[Fault]:
        """Return the supply failures so far, reboots among them."""
        now_s = self.true_now_s()
        return [fault for fault in self._failures() if fault.since_s <= now_s]

    def events(self) -> list[MeterEvent]:
        """Return what the meter noticed so far and still remembers, oldest first."""
        self.advance()
        return self.log.all()

    def _failures(self) -> list[Fault]:
        failures = self.book.of(FaultKind.OUTAGE) + self.book.of(FaultKind.REBOOT)
        return sorted((fault for fault in failures if fault.since_s != fault.until_s), key=lambda fault: fault.since_s)

    def _happenings(self) -> list[tuple[int, int]]:
        """Return when supply failures and tampers begin and end, with the codes of their events, by time."""
        found = [(fault, POWER_FAILED, POWER_RESTORED) for fault in self._failures()]
        found += [(fault, fault.code, fault.code + 1) for fault in self.book.of(FaultKind.TAMPER)]
        begins = [(fault.since_s, code) for fault, code, _ in found]
        ends = [(fault.until_s, code) for fault, _, code in found if fault.until_s is not None]
        return sorted(begins + ends)

    def _note(self, at_s: int, code: int) -> None:
        """Note an event of a true instant: the meter stamps it by its own clock."""
        self.log.note(at_s + self.book.drift_s(at_s), code)

    def _held(self) -> tuple[int, int]:
        """Return the first and last instant the daily rows may stand for."""
        if self.recording is None:
            return self._origin_s, self.now_s()
        if len(self.recording.end_s) == 0:
            return 0, 0
        return int(self.recording.end_s[0]), int(self.recording.end_s[-1])


def build_meters(fleet: FleetConfig, clock: Clock, folder: Path = Path()) -> dict[str, Meter]:
    """Build all meters of a fleet by name; bulk meters may name any meter as a part. ``folder`` holds the recordings.

    Raises:
        Invalid: a load names an unknown shape or part, or parts that go round in a circle.
        Unavailable: a recording cannot be read.
    """
    built: dict[str, Meter] = {}
    waiting = list(fleet.meters)
    while waiting:
        ready = [config for config in waiting if all(part in built for part in config.load.parts)]
        if not ready:
            raise Invalid(f"meter {waiting[0].name!r} is a sum of meters that do not exist or of itself")
        for config in ready:
            built[config.name] = _meter(fleet, config, built, clock, folder)
        waiting = [config for config in waiting if config.name not in built]
    return {config.name: built[config.name] for config in fleet.meters}


def _meter(fleet: FleetConfig, config: MeterConfig, built: Mapping[str, Meter], clock: Clock, folder: Path) -> Meter:
    load, zone = config.load, config.zone or fleet.zone
    if load.shape == "replay":
        recording = read_recording(
            folder / load.file, unit_scaler=load.unit_scaler, period_s=config.interval_s, shift_s=load.shift_s
        )
        return Meter(config, zone, fleet.history_start_s, RecordedLoad(recording), recording, clock)
    parts = [built[name].load for name in load.parts]
    return Meter(config, zone, fleet.history_start_s, _load(zone, fleet.history_start_s, load, parts), None, clock)


def _load(zone: str, origin_s: int, load: LoadConfig, parts: Sequence[Load]) -> Load:
    if load.shape == "steady":
        return SteadyLoad(load.per_hour, origin_s)
    if load.shape == "bulk":
        return BulkLoad(parts, load.loss_permille, origin_s)
    shape = SHAPES.get(load.shape)
    if shape is None:
        raise Invalid(f"unknown load shape {load.shape!r}", hint="known: steady, bulk, replay, " + ", ".join(SHAPES))
    return ShapedLoad(shape, load.seed, origin_s, zone, _calibration(zone, load))


def _calibration(zone: str, load: LoadConfig) -> Calibration | None:
    if not load.month:
        return None
    span = month_span(zone, int(load.month[:4]), int(load.month[5:7]))
    return Calibration(epoch_s(span.start), epoch_s(span.end), load.month_total)


@lru_cache(maxsize=64)
def _midnights(zone: str, first_day: int, last_day: int) -> tuple[int, ...]:
    """Return the local midnights near the UTC days ``first_day`` to ``last_day`` since 1970, both with a margin."""
    origin = datetime.fromtimestamp(0, UTC)
    first = local_day(zone, origin).toordinal() + first_day - 1
    days = range(first, first + last_day - first_day + 3)
    return tuple(epoch_s(day_start(zone, origin.date().fromordinal(day))) for day in days)
