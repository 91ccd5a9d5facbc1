"""Site-local days, months and their slots.

A *local day* is the half-open span between two local midnights of an IANA zone; a DST day has 92 or 100
quarter-hours instead of 96. Slots are counted from the instant of local midnight in steps of the channel's
interval, so they are UTC instants and never ambiguous. Where a zone has no midnight on a day (DST at 00:00), the
day starts at its first existing instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open interval ``[start, end)`` of aware UTC instants."""

    start: datetime
    end: datetime

    def seconds(self) -> int:
        """Return the whole length in seconds."""
        return int((self.end - self.start).total_seconds())


@lru_cache(maxsize=65536)
def day_start(zone: str, day: date) -> datetime:
    """Return the UTC instant at which the local ``day`` of IANA ``zone`` begins."""
    # fold 0 makes a skipped midnight the instant of the jump, and a repeated one its first passing.
    return datetime.combine(day, time(0), tzinfo=ZoneInfo(zone)).astimezone(UTC)


@lru_cache(maxsize=65536)
def day_span(zone: str, day: date) -> Span:
    """Return the local ``day`` of ``zone`` as a UTC span (23, 24 or 25 hours, or as the zone has it)."""
    return Span(day_start(zone, day), day_start(zone, day + DAY))


def slots_in_day(zone: str, day: date, interval_s: int) -> int:
    """Return how many slots of ``interval_s`` seconds the local day has (96 on a plain day at 900 s)."""
    return -(-day_span(zone, day).seconds() // interval_s)


def local_day(zone: str, at: datetime) -> date:
    """Return the local calendar day of ``zone`` that contains the aware instant ``at``."""
    return at.astimezone(ZoneInfo(zone)).date()


def month_days(year: int, month: int) -> list[date]:
    """Return every day of a calendar month, in order."""
    first = date(year, month, 1)
    count = (next_month(first) - first).days
    return [first + i * DAY for i in range(count)]


def next_month(day: date) -> date:
    """Return the first day of the month after the one that contains ``day``."""
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def month_span(zone: str, year: int, month: int) -> Span:
    """Return the calendar month of ``zone`` as a UTC span."""
    first = date(year, month, 1)
    return Span(day_start(zone, first), day_start(zone, next_month(first)))
