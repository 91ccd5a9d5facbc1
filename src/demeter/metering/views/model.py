"""What the screens and the API show. Consumption is exact kWh or kL; None means unknown, never zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from demeter.estate import PointRole, ServicePoint, Site
from demeter.kernel import Commodity, display
from demeter.metering.index import Source
from demeter.metering.rollup import Total
from demeter.readings import Channel

PPM = 1_000_000


class FlagCode(StrEnum):
    """The one thing to know about a service point's month."""

    NORMAL = "normal"
    LEAK = "leak"
    READ_FAILURE = "read_failure"
    RECONCILED = "reconciled"
    SELF_READ = "self_read"
    NO_READINGS = "no_readings"
    PARTIAL = "partial"
    NEEDS_CHECK = "needs_check"


@dataclass(frozen=True, slots=True)
class QualityAmount:
    """How much of a total is of one quality, in kWh or kL."""

    amount: Decimal
    slots: int


@dataclass(frozen=True, slots=True)
class FlagView:
    """A flag in a word, since when, and why; a kept one also until when and with its evidence."""

    code: FlagCode
    word: str
    since: datetime | None = None
    detail: str | None = None
    until: datetime | None = None
    evidence: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a reading goes next, and what of it."""

    to: str
    what: str | None


@dataclass(frozen=True, slots=True)
class UnitRow:
    """One commodity of one unit, bulk supply or common area in one month."""

    service_point_id: int
    unit: str
    building: str
    role: PointRole
    commodity: Commodity
    consumption: Decimal | None
    coverage_ppm: int
    quality: Mapping[str, QualityAmount]
    flag: FlagView
    last_read_at: datetime | None
    goes_to: tuple[Destination, ...]
    revision: int | None

    @property
    def consumption_unit(self) -> str:
        """Return kWh or kL."""
        return self.commodity.display_unit


@dataclass(frozen=True, slots=True)
class UnitsSummary:
    """The sentence above the table, in numbers."""

    units: int
    meters: int
    read_today: int
    meters_due: int
    leaks: int
    read_failures: int
    self_reads: int
    to_check: int
    no_readings: int
    partial: int


@dataclass(frozen=True, slots=True)
class UnitsPage:
    """Everything the units page shows. ``complete``: the month is over."""

    site: Site
    month: date
    complete: bool
    summary: UnitsSummary
    rows: tuple[UnitRow, ...]


@dataclass(frozen=True, slots=True)
class RegisterView:
    """A register at an instant, in kWh or kL as the meter shows it; ``source``: a reading, or a recorded read."""

    at: datetime
    value: Decimal
    quality: str
    meter_serial: str
    source: Source


@dataclass(frozen=True, slots=True)
class TotalView:
    """A month's number and what is known about it; ``bridged`` is what registers prove but no slot shows."""

    consumption: Decimal | None
    bridged: Decimal
    bridged_slots: int
    coverage_ppm: int
    quality: Mapping[str, QualityAmount]
    opening: RegisterView | None
    closing: RegisterView | None
    revision: int | None
    published_at: datetime | None
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InstalledView:
    """A meter at the service point, from-to."""

    id: int
    serial: str
    maker: str
    protocol: str
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class PointPage:
    """One service point's month, except its series. ``flags``: first the one the units page shows."""

    point: ServicePoint
    site: Site
    month: date
    total: TotalView
    flags: tuple[FlagView, ...]
    meters: tuple[InstalledView, ...]
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class DayView:
    """One site-local day; ``due``: a meter was installed."""

    day: date
    consumption: Decimal | None
    coverage_ppm: int
    quality: Mapping[str, QualityAmount]
    due: bool


@dataclass(frozen=True, slots=True)
class MonthView:
    """One site-local month."""

    month: date
    consumption: Decimal | None
    coverage_ppm: int
    quality: Mapping[str, QualityAmount]
    flag: FlagView | None


@dataclass(frozen=True, slots=True)
class IntervalsView:
    """Slot k covers ``[start_s + k*interval_s, …)`` UTC; a value v means v x 10**``scaler`` ``unit`` (Wh, L)."""

    start_s: int
    interval_s: int
    zone: str
    unit: str
    scaler: int
    values: tuple[int | None, ...]
    quality: tuple[int, ...]


def shown(total: Total) -> Decimal | None:
    """Return a total in kWh or kL."""
    return None if total.amount is None else display(total.amount, total.scaler)


def shares(total: Total) -> dict[str, QualityAmount]:
    """Return a total's shares by quality word, in kWh or kL."""
    return {
        quality.word: QualityAmount(display(share.amount, total.scaler), share.slots)
        for quality, share in sorted(total.qualities.items())
    }
